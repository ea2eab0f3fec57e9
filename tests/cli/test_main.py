"""The command as a program: its help, its completion, and what it says without its extra."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from gendurable.cli.app import main

PATIENCE = 60


def commands(group: click.Group, prefix: str = "") -> list[str]:
    found = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found += commands(command, f"{prefix}{name} ")
        else:
            found.append(prefix + name)
    return found


@pytest.mark.parametrize("command", commands(main))
def test_help_teaches(command):
    """Every command says what it does and shows how it is used."""
    result = CliRunner().invoke(main, [*command.split(), "--help"])

    assert result.exit_code == 0
    assert "Example" in result.output
    assert f"gendurable {command} " in result.output


@pytest.mark.parametrize("path", [[], ["schema"]], ids=" ".join)
def test_help_lists_all_commands_in_a_line_each(path):
    """Nothing is cut off on a terminal of 80 columns."""
    result = CliRunner().invoke(main, [*path, "--help"], terminal_width=80)

    _, _, listed = result.output.partition("Commands:\n")
    group = main.commands[path[0]] if path else main
    assert isinstance(group, click.Group)
    assert [line.split()[0] for line in listed.splitlines()] == list(group.commands)
    assert "..." not in listed
    assert max(map(len, result.output.splitlines())) <= 80


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_without_the_extra_it_says_what_is_missing():
    """One line, no traceback."""
    code = "import sys; sys.modules['click'] = None; from gendurable.cli import main; main()"

    result = run("-c", code)

    assert result.returncode == 1
    assert result.stderr == (
        "gendurable: the command line needs click: pip install 'gendurable[cli]'\n"
    )


def test_completes_in_a_shell():
    """Bash is told the commands."""
    result = run(
        "-m",
        "gendurable.cli",
        _GENDURABLE_COMPLETE="bash_complete",
        COMP_WORDS="gendurable do",
        COMP_CWORD="1",
    )

    assert result.stdout == "plain,doctor\n"


def test_the_library_does_not_load_it():
    """An application that imports gendurable pays for no command and no picture."""
    code = (
        "import sys, gendurable; print([m for m in sys.modules if m in ('click', 'rich')"
        " or m.startswith(('gendurable.cli', 'gendurable.graph', 'gendurable.engine.survey'))])"
    )

    assert run("-c", code).stdout == "[]\n"


def test_what_is_no_binding_is_a_mistake_of_usage():
    """It says what should be named instead."""
    result = run("-m", "gendurable.cli", "ls", "gendurable:FSM")

    assert result.returncode == 2
    assert "a binding is what gendurable.bind() returns" in result.stderr
    assert "Traceback" not in result.stderr
