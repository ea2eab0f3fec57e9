"""The tour: every command on the shop's database, and the guide that shows what they answer."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from examples.shop.stage.commands import APP
from gendurable.cli.app import main
from tests.docs.blocks import blocks

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "guides" / "cli.md"
PATIENCE = 180

pytestmark = pytest.mark.slow


def leaves(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, *path, name)
        else:
            yield (*path, name), command


COMMANDS = dict(leaves(main))
WITH_JSON = [path for path, one in COMMANDS.items() if any(p.name == "as_json" for p in one.params)]


@pytest.fixture(scope="module")
def tour() -> list[dict[str, Any]]:
    """What all commands of one tour answered."""
    shown = subprocess.run(
        [sys.executable, "-m", "examples.shop.tour", "--json"],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if key != "DATABASE_URL"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert shown.stdout, shown.stderr
    found: list[dict[str, Any]] = json.loads(shown.stdout)
    return found


def words(one: dict[str, Any]) -> list[str]:
    """Return the words of a command line, without what is set before it."""
    line = shlex.split(one["command"])
    return line[line.index("gendurable") + 1 :]


def of(tour: list[dict[str, Any]], path: tuple[str, ...]) -> list[dict[str, Any]]:
    return [one for one in tour if tuple(words(one)[: len(path)]) == path]


def test_ends_as_it_should(tour):
    """Each command has the exit status that the documentation promises, and no traceback."""
    wrong = [
        (one["command"], one["status"], one["output"])
        for one in tour
        if one["status"] != one["expected"]
    ]
    assert wrong == []
    commands_with_traceback = [one["command"] for one in tour if "Traceback" in one["output"]]
    assert commands_with_traceback == [f"gendurable worker {APP} -q checkout=4 -q ship=8"]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_leaves_no_command_out(tour, path):
    """A new command is shown, too."""
    assert any(one["status"] == 0 for one in of(tour, path))


@pytest.mark.parametrize("path", WITH_JSON, ids=" ".join)
def test_json_is_json(tour, path):
    """What prints data prints it for programs, and nothing beside it."""
    printed = [one for one in of(tour, path) if "--json" in words(one) and one["stdout"]]
    assert printed
    for one in printed:
        json.loads(one["stdout"])


def test_check_says_what_the_release_before_left(tour):
    """Machine, version, step, count, what is wrong, and a mend; then, mended, that all is well."""
    first, for_programs, again = of(tour, ("check",))

    assert (first["status"], again["status"]) == (1, 0)
    assert again["output"] == "all well: this build can run all 4 live rows\n"
    answer = json.loads(for_programs["stdout"])
    found = [
        [one[name] for name in ("kind", "fsm", "version", "step", "count", "reason")]
        for one in answer["findings"]
    ]
    assert found == [
        ["unknown", "Checkout", 1, "send", 1,
         "this build has no such step; it has reserve, pack, finish"],
        ["unknown", "Refund", 1, "transfer", 1, "this build has no machine of that name"],
        ["unknown", "Stocktake", 1, "perform", 1,
         "this build has version 3, and no upgrade from 1"],
        ["invalid", "Ship", 1, "hand_over", 1, "quantity: Field required"],
    ]  # fmt: skip
    assert first["output"].startswith("this build cannot run 4 of 6 live rows:\n")
    for one in answer["findings"]:
        assert one["advice"]
        where = f"{one['fsm']} version {one['version']}, step {one['step']!r}"
        assert f"\n{where}: 1 row, such as {one['example']}\n" in first["output"]


def test_fits_a_page(tour):
    """Tables are as wide as COLUMNS says, and no line ends with blanks."""
    tables = ("ls", "show", "queues", "stats", "limits", "schedules", "doctor", "check")
    for one in tour:
        if words(one)[0] in tables and "--json" not in words(one) and one["status"] == 0:
            assert max(map(len, one["output"].splitlines())) <= 100, one["output"]
        if words(one)[0] != "worker":
            assert not re.search(r" \n", one["output"]), one["output"]


#: What differs from one tour to the next.
VARIES = [
    (r"( *\d+\.\d s .*\n)+", "PROGRESS\n"),
    (r"\b[\w.-]+:\d+:[0-9a-f]{16}\b", "WORKER"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.,]\d+)?(\+\d\d:\d\d)?", "INSTANT"),
    (r"\b(in )?\d+ (s|min|h|d)\b", "AGE"),
    (r"127\.0\.0\.1:\d+|--port \d+", "PORT"),
    (r"((dead rows|claim plan|oldest transaction) ).*", r"\1AS IT IS"),
    (r"at gendurable_\d{4}", "at REVISION"),
    (r"(kills|repeated): \d+", r"\1: N"),
    (r"\s+", " "),
]


def plain(text: str) -> str:
    for pattern, word in VARIES:
        text = re.sub(pattern, word, text)
    return text.strip()


def examples() -> Iterator[tuple[str, str]]:
    """Yield each command that the guide shows, with the answer below it."""
    for block in blocks(GUIDE):
        if block.info == "console":
            for part in re.split(r"^\$ ", block.code, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                yield command, output


@pytest.mark.parametrize(
    ("command", "output"),
    [pytest.param(*one, id=one[0].replace(f" {APP}", "")) for one in examples()],
)
def test_the_guide_tells_the_truth(tour, command, output):
    """What the guide shows below a command is what the tour saw; ``...`` stands for some lines."""
    parts = [plain(part) for part in output.split("...\n")]
    pattern = ".*".join(map(re.escape, parts))
    answers = [plain(one["output"]) for one in tour if plain(one["command"]) == plain(command)]

    assert answers, f"the tour does not run {command}"
    assert any(re.fullmatch(pattern, answer) for answer in answers), (pattern, answers)


def test_the_guide_shows_each_command():
    """By its answer, or at least by its name."""
    text = GUIDE.read_text()
    assert [path for path in COMMANDS if f"gendurable {' '.join(path)}" not in text] == []
