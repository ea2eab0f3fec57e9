"""Buffered inserts: grouped, bounded, written out at exit, and never harmful to each other."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
from textwrap import dedent

import pytest
from sqlalchemy import event, func, select, text

import gendurable as gd
from gendurable.errors import InvalidInput, UnknownLimit
from gendurable.runtime import buffer as module


class Report(gd.Job, name="buffer.Report"):
    """Work that may be lost."""

    n: int = 0

    def perform(self, ctx: gd.Context) -> int:
        return self.n


def count(engine, where: str = "true") -> int:
    with engine.connect() as conn:
        return conn.scalar(text(f"SELECT count(*) FROM gendurable.instances WHERE {where}"))


@pytest.fixture
def still(durable, monkeypatch):
    """The buffer without its thread: what waits is written by ``flush`` only."""
    monkeypatch.setattr(durable.buffer.daemon, "start", lambda: None)
    return durable


class TestInserts:
    def test_soon(self, durable, engine, eventually):
        """They are inserted by themselves, with their options."""
        durable.insert_nowait(Report(n=1), queue="other", priority=3, correlation_key="k")
        eventually(lambda: count(engine, "queue = 'other' AND priority = 3") == 1)
        assert durable.instance("k").queue == "other"

    def test_together(self, still, engine):
        """What waits goes out in one statement."""
        for n in range(500):
            still.insert_nowait(Report(n=n))
        sent = []
        event.listen(engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
        still.flush()

        assert len([one for one in sent if "INSERT" in one]) == 1
        assert count(engine) == 500

    def test_flush_waits_for_what_is_being_written(self, durable, engine):
        """What the background thread has taken is committed when ``flush`` returns, too."""
        here = threading.current_thread()
        writing, looked = threading.Event(), threading.Event()

        def write_slowly(*args):
            if threading.current_thread() is not here:
                writing.set()
                looked.wait(0.2)  # who does not wait for this looks too early

        event.listen(engine, "before_cursor_execute", write_slowly)
        durable.insert_nowait(Report())
        assert writing.wait(10)
        durable.flush()
        found = count(engine)
        looked.set()

        assert found == 1

    def test_workers_are_told(self, durable, engine, eventually):
        """A worker takes them at once."""
        with durable.worker(gc=False):
            durable.insert_nowait(Report(n=7))
            eventually(lambda: count(engine, "status = 'done' AND result = '7'") == 1)

    def test_duplicates_are_dropped(self, still, engine):
        """A key that is taken, here or in the table, keeps nobody else out."""
        still.insert(Report(), correlation_key="taken")
        for key in ("taken", "free", "free"):
            still.insert_nowait(Report(), correlation_key=key)
        still.flush()

        assert count(engine) == 2


class TestBounds:
    def test_a_full_one_inserts_at_once(self, still, engine, monkeypatch):
        """Memory is bounded: the caller inserts what finds no room."""
        monkeypatch.setattr(module, "ROOM", 2)
        for n in range(3):
            still.insert_nowait(Report(n=n))

        assert count(engine) == 1
        still.flush()
        assert count(engine) == 3

    def test_bad_input_is_refused_where_it_enters(self, still):
        """The caller is told, not a log."""
        with pytest.raises(InvalidInput, match="weight"):
            still.insert_nowait(Report(), weight=0)
        with pytest.raises(UnknownLimit):
            still.insert_nowait(Report(), rate_limit="nobody")
        still.flush()

    def test_a_refused_row_harms_nobody_else(self, still, engine, caplog):
        """What the database refuses is logged, and its neighbours are inserted."""
        with engine.begin() as conn:
            conn.execute(
                text("ALTER TABLE gendurable.instances ADD CHECK (state <> '{\"n\": 13}'::jsonb)")
            )
        for n in range(20):
            still.insert_nowait(Report(n=n))
        still.flush()

        assert count(engine) == 19
        assert "a buffered insert is refused" in caplog.text

    def test_an_outage_loses_nothing(self, still, engine, monkeypatch):
        """What could not be inserted keeps waiting, in its order."""
        for n in range(3):
            still.insert_nowait(Report(n=n))
        with monkeypatch.context() as patch:
            patch.setattr(still.buffer, "_engine", gd.bind(_away()).engine)
            with pytest.raises(Exception, match="connection"):
                still.flush()
        still.flush()

        table = gd.Instance.__table__.c
        with engine.connect() as conn:
            assert conn.scalar(select(func.count()).select_from(gd.Instance)) == 3
            found = conn.scalars(select(table.state).order_by(table.id)).all()
        assert [state["n"] for state in found] == [0, 1, 2]


class TestProcesses:
    def test_exit_writes_them_out(self, url, engine):
        """A process that ends in good order has lost nothing."""
        program = dedent(
            f"""
            import gendurable as gd
            from sqlalchemy import create_engine
            from tests.runtime.test_buffer import Report
            durable = gd.bind(create_engine({url!r}))
            durable.buffer.daemon.start = lambda: None
            for n in range(100):
                durable.insert_nowait(Report(n=n))
            """
        )
        subprocess.run([sys.executable, "-c", program], check=True, timeout=60)

        assert count(engine) == 100

    def test_a_forked_child_leaves_them_to_its_parent(self, still, engine):
        """What waits is inserted once, by whoever took it."""
        still.insert_nowait(Report())
        child = multiprocessing.get_context("fork").Process(target=still.flush)
        child.start()
        child.join(10)
        assert count(engine) == 0
        still.flush()
        assert count(engine) == 1


def _away():
    from sqlalchemy import create_engine

    return create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
