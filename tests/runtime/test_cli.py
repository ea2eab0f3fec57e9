"""The worker from a shell: it names what is wrong, serves queues, and drains when told to."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import pytest
from sqlalchemy import text

import gendurable as gd

#: Processes take their time to start on a loaded machine.
PATIENCE = 60

APP = """
import os, time
from sqlalchemy import create_engine, text
import gendurable as gd

class Work(gd.Job, name="cli.work"):
    seconds: float = 0

    def perform(self, ctx):
        time.sleep(self.seconds)
        ctx.log.info("at work")
        return ctx.attempt

durable = gd.bind(create_engine(os.environ["CLI_URL"]), drain_timeout=60)
small = gd.bind(create_engine(os.environ["CLI_URL"], pool_size=5, max_overflow=0))
nothing = None
"""


class Work(gd.Job, name="cli.work"):
    """As the application declares it."""

    seconds: float = 0

    def perform(self, ctx):
        return ctx.attempt


@pytest.fixture
def run(tmp_path: Path, url: str):
    """Run ``gendurable`` in a directory that holds an application; it ends with the test."""
    (tmp_path / "myapp.py").write_text(APP)
    started = []

    def run(*arguments: str) -> subprocess.Popen:
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "gendurable.cli", *arguments],
                cwd=tmp_path,
                env={**os.environ, "CLI_URL": url},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def names(engine) -> set[str]:
    with engine.connect() as conn:
        return set(conn.scalars(text("SELECT name FROM gendurable.nodes")))


class TestWorker:
    def test_serves_queues_until_it_is_told_to_stop(self, run, durable):
        """It runs what is in its queues; SIGTERM drains it, and the status is 0."""
        process = run("worker", "myapp:durable", "-q", "default=2", "-q", "mail=1")

        handles = [durable.insert(Work(), queue=queue) for queue in ("default", "mail")]

        assert [durable.wait(one, PATIENCE, "terminal").status for one in handles] == ["done"] * 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        output = process.stdout.read()
        for one in handles:
            assert f"INFO gendurable.step [{one.id} cli.work.perform #0]: at work" in output

    def test_a_second_signal_ends_it_at_once(self, run, durable, engine, eventually):
        """Whoever cannot wait for running steps asks twice."""
        process = run("worker", "myapp:durable", "-q", "default=2")
        handle = durable.insert(Work(seconds=60))
        eventually(lambda: durable.instance(handle).status == "executing", PATIENCE)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)

        assert process.wait(PATIENCE) > 128

    def test_rows_of_a_child_that_is_killed_go_back_at_once(self, run, durable, engine, eventually):
        """The supervisor sees a child end: its rows do not wait out a lease of 30 seconds."""
        process = run("worker", "myapp:durable", "-q", "default=2", "--processes", "2")
        eventually(lambda: len(names(engine)) == 2, PATIENCE)
        handle = durable.insert(Work(seconds=1))
        eventually(lambda: durable.instance(handle).status == "executing", PATIENCE)
        victim = durable.instance(handle).locked_by

        os.kill(int(victim.split(":")[1]), signal.SIGKILL)

        assert durable.wait(handle, PATIENCE, "terminal").result == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0

    def test_answers_probes(self, run, eventually):
        """``--health-port`` gives the orchestrator something to ask."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        run("worker", "myapp:durable", "-q", "default=2", "--health-port", str(port))
        answers = []

        def answered() -> bool:
            with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
                answers.append((answer.status, json.load(answer)["ok"]))
            return (200, True) in answers

        eventually(answered, PATIENCE)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["nowhere:durable"], "no module named 'nowhere' in /"),
            (["nowhere.py:durable"], "such as nowhere:durable"),
            (["./some/where.py:durable"], "such as some.where:durable"),
            (["myapp:missing"], "'myapp' has no 'missing'"),
            (["myapp:nothing"], "a binding is what gendurable.bind() returns"),
            (["myapp:durable", "-q", "default"], "should look like default=10"),
            (["myapp:durable", "-q", "m=2", "-q", "m=3"], "queue 'm' is given more than once"),
            (["myapp:small", "-q", "default=2"], "room for 5 connections"),
        ],
    )
    def test_says_what_is_wrong(self, run, arguments, message):
        """Mistakes end it with a sentence and no traceback."""
        process = run("worker", *arguments)

        output, _ = process.communicate(timeout=PATIENCE)

        assert message in output
        assert "Traceback" not in output
        assert process.returncode != 0

    def test_an_application_that_does_not_import_shows_why(self, run, tmp_path):
        """A module missing inside of the application is the application's own error."""
        (tmp_path / "myapp.py").write_text("import no_such_module")
        process = run("worker", "myapp:durable")

        output, _ = process.communicate(timeout=PATIENCE)

        assert "importing 'myapp' failed: ModuleNotFoundError: No module named" in output
        assert "myapp.py:1)" in output
        assert "click" not in output
