"""Upgrading under a worker that runs: what it has prepared is outdated, and nothing is lost."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import create_engine, select, text

import gendurable as gd
from gendurable import migrations
from gendurable.models import Instance
from tests.migrations.steps import BEFORE, operations


class Count(gd.FSM, name="migrations.count", run_ahead=0):
    """Goes round many times, and parks in the middle."""

    n: int = 0

    @gd.step(initial=True)
    def go(self, ctx: gd.Context) -> gd.Outcome:
        """Count on."""
        self.n += 1
        if self.n == 30:
            return gd.Await("go", then=self.go)
        return gd.Done(self.n) if self.n == 60 else gd.Next(self.go)


class Own(gd.FSM, name="migrations.own", run_ahead=0):
    """Goes round, committing with its own session."""

    n: int = 0

    @gd.step(initial=True)
    def go(self, ctx: gd.Context) -> gd.Outcome:
        """Count on."""
        ctx.session.execute(select(Instance.queue).where(Instance.id == ctx.id))
        self.n += 1
        return gd.Done(self.n) if self.n == 60 else gd.Next(self.go)


@pytest.fixture
def engine(empty_url):
    """An engine on a database at the revision before."""
    engine = create_engine(empty_url, pool_size=20, max_overflow=20)
    with engine.begin() as conn:
        migrations.upgrade(operations(conn), to=BEFORE)
    yield engine
    engine.dispose()


@pytest.fixture
def worker(durable, monkeypatch):
    """A worker that does not mind the revision, as one of the release before does not."""
    monkeypatch.setattr(migrations, "check", lambda *_: None)
    worker = durable.worker(gc=False)
    worker.start()
    yield worker
    worker.stop()


def test_an_upgrade_costs_no_attempt(engine, durable, worker, eventually, caplog):
    """Claims, outcomes and signals go on after the columns they read have got other types."""
    counts = [durable.insert(Count()) for _ in range(20)]
    owns = [durable.insert(Own()) for _ in range(10)]
    with engine.connect() as conn:
        parked = text("SELECT count(*) FROM gendurable.instances WHERE status='awaiting_signal'")
        eventually(lambda: conn.scalar(parked))
        conn.rollback()
    for one in counts[:10]:
        durable.signal(one, "go")

    with engine.begin() as conn, caplog.at_level(logging.ERROR):
        migrations.upgrade(operations(conn))

    for one in counts[10:]:
        durable.signal(one, "go")
    for one in (*counts, *owns):
        assert durable.wait(one, 20, "terminal").result == 60
    with engine.connect() as conn:
        told = conn.execute(text("SELECT kind, error FROM gendurable.transitions")).all()
        assert [one for one in told if one.error] == []
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
