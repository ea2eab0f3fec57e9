"""The exit of a process: what it has committed is told to others first, and told soon."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from time import monotonic

import pytest
from sqlalchemy import create_engine, event, text

import gendurable as gd
from gendurable.runtime import farewell

#: How long a worker sleeps that nobody tells of anything, in seconds.
LONG = 300


class Errand(gd.Job, name="farewell.Errand"):
    """Work that another process brings."""

    def perform(self, ctx: gd.Context) -> str:
        return "done"


class Guest(gd.FSM, name="farewell.Guest"):
    """Waits for a signal of another process."""

    @gd.step(initial=True)
    def start(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Await("go", then=self.leave)

    @gd.step
    def leave(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Done("left")


@pytest.fixture
def hearing(engine):
    """A binding whose worker sleeps until it is told of work."""
    durable = gd.bind(engine, poll_interval=LONG, poll_max=LONG)
    listening = threading.Event()
    durable.notifier.subscribe(lambda queues: queues is None and listening.set())
    with durable.worker(gc=False, cron=False, reaper=False):
        assert listening.wait(10)
        yield durable
    durable.notifier.close()


def run(url: str, *lines: str) -> None:
    """Run a program that has a binding to *url*."""
    program = f"""
import atexit, os, sys
import multiprocessing as mp
from sqlalchemy import create_engine, event, text
from sqlalchemy.orm import Session
import gendurable as gd
from tests.runtime.test_farewell import Errand, Guest
engine = create_engine({url!r})
durable = gd.bind(engine)
"""
    subprocess.run([sys.executable, "-c", program + "\n".join(lines)], check=True)


def ends(durable, target=1) -> str:
    return durable.wait(target, timeout=10, until="terminal").status


class TestWord:
    @pytest.mark.parametrize(
        "lines",
        [
            ["durable.insert(Errand())"],
            ["durable.insert_all([Errand()])", "sys.exit()"],
            ["durable.insert_nowait(Errand())"],
            ["atexit.register(lambda: durable.insert(Errand()))"],
            ["with Session(engine) as s, s.begin(): durable.insert(Errand(), session=s)"],
            [
                "other = gd.bind(engine)",
                "durable.insert(Errand(), queue='other')",
                "other.insert(Errand())",
            ],
        ],
        ids=["insert", "sys.exit", "nowait", "atexit", "session", "bindings"],
    )
    def test_of_work_outlives_its_process(self, url, hearing, lines):
        """A worker starts at once on what a process has inserted right before its end."""
        run(url, *lines)

        assert ends(hearing, hearing_last(hearing)) == "done"

    def test_of_a_signal(self, url, hearing):
        """Other words are told, too."""
        hearing.insert(Guest())
        assert hearing.wait(1, timeout=10).status == "awaiting_signal"

        run(url, "durable.signal(1, 'go')")

        assert ends(hearing) == "done"

    @pytest.mark.parametrize("child", ["mp", "fork"])
    def test_of_a_child(self, url, hearing, child):
        """Children tell what they have committed, however they came to be."""
        if child == "mp":
            fork = "p = mp.get_context('fork').Process(target=work); p.start(); p.join()"
        else:
            fork = "if os.fork() == 0: work(); sys.exit()\nelse: os.wait()"
        run(
            url,
            "def work():",
            "    engine.dispose(close=False)",
            "    durable.insert(Errand())",
            fork,
        )

        assert ends(hearing) == "done"

    def test_of_a_flush(self, engine, hearing):
        """What ``flush`` has inserted is told when it returns, even if the process is killed."""
        child = os.fork()
        if child == 0:
            try:
                engine.dispose(close=False)
                other = gd.bind(create_engine(engine.url))
                other.insert_nowait(Errand())
                other.flush()
            finally:
                os._exit(0)
        os.waitpid(child, 0)

        assert ends(hearing) == "done"


def hearing_last(durable) -> int:
    with durable.engine.connect() as conn:
        return conn.scalar(text("SELECT max(id) FROM gendurable.instances"))


class TestPatience:
    def test_ends(self, durable, monkeypatch):
        """A database that does not answer holds up nobody for longer than that."""
        hold = threading.Event()
        announcer = durable.notifier._background()
        monkeypatch.setattr(announcer, "_notify", lambda news: hold.wait(30))
        durable.insert(Errand())
        began = monotonic()
        durable.flush()
        took = monotonic() - began
        hold.set()

        assert 0.9 * farewell.PATIENCE < took < 20  # and not the thirty that it takes to answer

    def test_a_transaction_without_an_end_is_not_waited_for(self, durable, engine, monkeypatch):
        """What its caller has not committed says nothing, and holds up nobody."""
        monkeypatch.setattr(farewell.wait_for, "__defaults__", (60.0,))
        with engine.begin() as conn:
            durable.insert(Errand())
            durable.insert(Errand(), session=conn)
            began = monotonic()
            durable.flush()

            assert monotonic() - began < 30

    def test_a_commit_under_way_is_waited_for(self, durable, engine):
        """What another thread is just committing is told before ``flush`` returns."""
        told = []
        durable.notifier.subscribe(told.append)
        committing, flushing = threading.Event(), threading.Event()

        def work() -> None:
            with engine.begin() as conn:
                durable.insert(Errand(), session=conn, queue="slow")
                event.listen(engine, "commit", lambda conn: (committing.set(), flushing.wait(10)))

        thread = threading.Thread(target=work)
        thread.start()
        assert committing.wait(10)
        asked = durable.notifier.hasten()
        assert not asked.wait(0.05)
        flushing.set()

        assert asked.wait(10)
        assert {"slow"} in told
        thread.join(10)
