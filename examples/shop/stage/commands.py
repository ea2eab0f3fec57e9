"""Running commands of `gendurable` and keeping what they answer."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.request import urlopen

from click.testing import CliRunner

from examples.shop.stage.processes import ROOT, Service
from gendurable.cli.app import main

APP = "examples.shop.db:durable"


@dataclass(frozen=True)
class Shown:
    """A command, what it printed, and its exit status, which should be ``expected``."""

    command: str
    output: str
    stdout: str
    status: int
    expected: int


class Commands:
    """Runs commands; in a command line ``@`` stands for the shop's binding."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs

    def run(self, line: str, status: int = 0, stdin: str | None = None) -> Shown:
        """Run a command in this process."""
        words = _words(line)
        result = CliRunner().invoke(
            main, words, input=stdin, prog_name="gendurable", catch_exceptions=False
        )
        return _shown(words, result.output, result.stdout, result.exit_code, status)

    def program(self, line: str, status: int = 0, **env: str) -> Shown:
        """Run a command as a program of its own, where the environment must be another one."""
        words = _words(line)
        result = subprocess.run(
            [sys.executable, "-m", "gendurable.cli", *words],
            env={**os.environ, **env},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        output = result.stdout + result.stderr
        shown = _shown(words, output, result.stdout, result.returncode, status)
        before = "".join(f"{name}={value} " for name, value in env.items())
        return replace(shown, command=before + shown.command)

    def start(self, line: str, up: Callable[[], object], **env: str) -> Running:
        """Start a command that runs until it is told to stop; return when it is *up*."""
        return Running(_words(line), up, self._logs, env)


class Running:
    """A command that runs until it is told to stop."""

    def __init__(
        self, words: list[str], up: Callable[[], object], logs: Path, env: Mapping[str, str]
    ) -> None:
        self._words = words
        self._service = Service(words[0], ["-m", "gendurable.cli", *words], env, logs)
        self._service.start()
        wait(lambda: up() or self._service.exit_status is not None)

    def stop(self) -> Shown:
        """Interrupt it, as Ctrl-C does."""
        if self._service.pid is not None and self._service.exit_status is None:
            os.kill(self._service.pid, signal.SIGINT)
            wait(lambda: self._service.exit_status is not None)
        output = self._service.log.read_text()
        return _shown(self._words, output, output, self._service.exit_status or 0, 0)


def answers(url: str) -> bool:
    """Tell whether a page is there."""
    try:
        with urlopen(url, timeout=5) as page:
            return int(page.status) == 200
    except OSError:
        return False


def wait(holds: Callable[[], object], patience: float = 30) -> None:
    """Return when something holds."""
    end = time.monotonic() + patience
    while not holds():
        if time.monotonic() > end:
            raise RuntimeError(f"{holds} did not come true")
        time.sleep(0.02)


def _words(line: str) -> list[str]:
    return [APP if word == "@" else word for word in shlex.split(line)]


def _shown(words: list[str], output: str, stdout: str, status: int, expected: int) -> Shown:
    return Shown(f"gendurable {shlex.join(words)}", output, stdout, status, expected)
