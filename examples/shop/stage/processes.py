"""The processes of the show: the shop, the carrier and the workers, each with a log of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from examples.shop.stage.wire import call

ROOT = Path(__file__).parents[3]
SHOP_DIR = ROOT / "examples" / "shop"


class Service:
    """A program that is started, killed without mercy, started again, and asked to stop."""

    def __init__(
        self, name: str, command: Sequence[str], env: Mapping[str, str], logs: Path
    ) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        self._command = [sys.executable, *command]
        self._env = {**os.environ, "PYTHONUNBUFFERED": "1", **env}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The number of the running process."""
        return self._process.pid if self._process else None

    @property
    def exit_status(self) -> int | None:
        """How the process ended; None while it runs or before it was started."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Run the program, in a process group of its own."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._env,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """``kill -9``, the program and whatever it has started; no goodbye, no cleaning up."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def stop(self, patience: float = 10) -> int | None:
        """Ask the program to end; return its exit status."""
        if self._process is None:
            return None
        self._process.terminate()
        try:
            return self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.returncode

    def last_words(self, lines: int = 15) -> str:
        """Return the end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_up(service: Service, url: str, patience: float = 30) -> None:
    """Return when *url* answers."""
    end = time.monotonic() + patience
    while time.monotonic() < end and service.exit_status is None:
        try:
            call(url)
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{service.name} did not come up:\n{service.last_words()}")


def migrate(env: Mapping[str, str]) -> None:
    """Run ``alembic upgrade head`` for the shop."""
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "-c", str(SHOP_DIR / "alembic.ini"), "upgrade", "head"],
        env={**os.environ, **env},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the migration failed:\n{done.stdout}")
