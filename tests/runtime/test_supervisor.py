"""The supervisor: starts children, starts them again, buries the dead, passes signals on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

#: Processes take their time to start on a loaded machine.
PATIENCE = 60

# A child without a database: it reports a name, writes its pid down and waits for SIGTERM.
CHILD = """
import os, queue, signal, sys
from gendurable.runtime.supervisor import report
leave = queue.SimpleQueue()
report(f"worker-{os.getpid()}", lambda: leave.put(0))
def told(number, frame):
    open(os.path.join(sys.argv[1], f"{os.getpid()}.told"), "w").close()
    if "--stubborn" not in sys.argv:
        leave.put(0)
signal.signal(signal.SIGTERM, told)
open(os.path.join(sys.argv[1], f"{os.getpid()}.up"), "w").close()
leave.get()
open(os.path.join(sys.argv[1], f"{os.getpid()}.down"), "w").close()
"""

SUPERVISOR = """
import os, sys
from gendurable.runtime.supervisor import Supervisor
def bury(name):
    flag = os.path.join(sys.argv[1], "away")
    if os.path.exists(flag):
        raise ConnectionError("the database is away")
    open(os.path.join(sys.argv[1], f"{name}.buried"), "w").close()
command = [sys.executable, "-c", os.environ["CHILD"], *sys.argv[1:]]
sys.exit(Supervisor([command, command], bury).run())
"""


class Family:
    """A supervisor process and what its children wrote down."""

    def __init__(self, directory: Path, eventually, *arguments: str) -> None:
        self.directory = directory
        self.eventually = eventually
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISOR, str(directory), *arguments],
            env={**os.environ, "CHILD": CHILD},
        )

    def pids(self, state: str) -> set[int]:
        return {int(path.stem) for path in self.directory.glob(f"*.{state}")}

    def buried(self) -> set[int]:
        return {int(path.stem.split("-")[1]) for path in self.directory.glob("*.buried")}

    def wait_for(self, count: int, state: str = "up") -> set[int]:
        self.eventually(lambda: len(self.pids(state)) >= count, PATIENCE)
        return self.pids(state)


@pytest.fixture
def family(tmp_path, eventually):
    families = []

    def family(*arguments: str) -> Family:
        families.append(Family(tmp_path, eventually, *arguments))
        return families[-1]

    yield family
    for one in families:
        one.process.kill()
        one.process.wait()
        for pid in one.pids("up") - one.pids("down"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class TestSupervisor:
    def test_a_child_that_is_killed_is_buried_and_replaced(self, family):
        """The rows of a child that was seen to end are freed, and another child takes its place."""
        it = family()
        victim, *_ = it.wait_for(2)

        os.kill(victim, signal.SIGKILL)

        it.eventually(lambda: victim in it.buried(), PATIENCE)
        assert len(it.wait_for(3)) == 3

    def test_burying_waits_for_the_database(self, family, tmp_path):
        """Rows that cannot be freed now are freed when the database is back."""
        it = family()
        (tmp_path / "away").touch()
        victim, *_ = it.wait_for(2)
        os.kill(victim, signal.SIGKILL)
        it.wait_for(3)
        assert it.buried() == set()

        (tmp_path / "away").unlink()

        it.eventually(lambda: victim in it.buried(), PATIENCE)

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_ends_all(self, family, number):
        """Children drain, and the supervisor ends with status 0 when they have."""
        it = family()
        up = it.wait_for(2)

        it.process.send_signal(number)

        assert it.process.wait(PATIENCE) == 0
        assert it.pids("down") == up

    def test_a_second_signal_ends_at_once(self, family):
        """Children that take their time are not waited for any longer."""
        it = family("--stubborn")
        it.wait_for(2)
        it.process.send_signal(signal.SIGTERM)
        it.wait_for(2, "told")

        it.process.send_signal(signal.SIGTERM)

        assert it.process.wait(PATIENCE) == 1
        assert it.pids("down") == set()

    def test_children_do_not_outlive_it(self, family):
        """A supervisor that is killed leaves no orphans: its children see it and drain."""
        it = family()
        up = it.wait_for(2)

        it.process.kill()

        it.eventually(lambda: it.pids("down") == up, PATIENCE)
