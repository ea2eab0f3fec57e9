"""Type checkers, without plugins, pass good code and catch the common mistakes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GOOD, BAD = HERE / "good.py", HERE / "bad.py"


def run(*command: str) -> str:
    """Run a checker of this environment over both files; return what it prints."""
    answer = subprocess.run(
        [sys.executable, "-m", *command, str(GOOD), str(BAD)],
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
    )
    return answer.stdout


def mypy() -> dict[str, set[int]]:
    """Return the lines that ``mypy --strict`` complains about, by file."""
    found: dict[str, set[int]] = {GOOD.name: set(), BAD.name: set()}
    for path, line in re.findall(r"^(.+?):(\d+): error:", run("mypy", "--strict"), re.MULTILINE):
        found.setdefault(Path(path).name, set()).add(int(line))
    return found


def pyright() -> dict[str, set[int]]:
    """Return the lines that pyright complains about, by file."""
    found: dict[str, set[int]] = {GOOD.name: set(), BAD.name: set()}
    for item in json.loads(run("pyright", "--outputjson"))["generalDiagnostics"]:
        line = item["range"]["start"]["line"] + 1
        found.setdefault(Path(item["file"]).name, set()).add(line)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("checker", [mypy, pyright])
def test_checker_sees_every_mistake_and_nothing_else(
    checker: Callable[[], dict[str, set[int]]],
) -> None:
    """Each line marked as wrong is complained about, no other is."""
    pytest.importorskip(checker.__name__)
    lines = BAD.read_text().splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if "# wrong" in line}

    found = checker()

    assert found == {GOOD.name: set(), BAD.name: wrong}


def test_good_code_runs() -> None:
    """What the checkers pass is accepted when it runs, too."""
    answer = subprocess.run(
        [sys.executable, "-W", "error", str(GOOD)], capture_output=True, text=True
    )

    assert (answer.returncode, answer.stderr) == (0, "")
