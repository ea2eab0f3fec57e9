"""Rows of older and newer versions, and rows that this build cannot load."""

from __future__ import annotations

import pytest
from sqlalchemy import text

import gendurable as gd
from gendurable.testing import drain


def first() -> type[gd.FSM]:
    """The first version of a machine: it waits for a signal."""

    class Account(gd.FSM, name="versions.Account"):
        cents: int = 0

        @gd.step(initial=True)
        def start(self, ctx: gd.Context) -> gd.Outcome:
            return gd.Await("go", self.end)

        @gd.step
        def end(self, ctx: gd.Context) -> gd.Outcome:
            return gd.Done(f"v1 {self.cents}")

    return Account


def second(upgrade=None) -> type[gd.FSM]:
    """The second version, with euros and another step; *upgrade* comes from the first."""

    class Account(gd.FSM, name="versions.Account", version=2):
        euros: float = 0.0

        @gd.step(initial=True)
        def begin(self, ctx: gd.Context) -> gd.Outcome:
            return gd.Await("go", self.finish)

        @gd.step
        def finish(self, ctx: gd.Context) -> gd.Outcome:
            self.euros += 1
            return gd.Next(self.close, delay=60)

        @gd.step
        def close(self, ctx: gd.Context) -> gd.Outcome:
            return gd.Done(f"v{ctx.fsm_version} {self.euros}")

        if upgrade is not None:

            @gd.upgrade(from_version=1)
            @staticmethod
            def up(state: dict, step: str) -> tuple[dict, str]:
                return upgrade(state, step)

    return Account


def upgraded(state, step):
    return {"euros": state["cents"] / 100}, {"start": "begin", "end": "finish"}[step]


@pytest.fixture
def waiting(engine):
    """An instance of the first version that a signal has just woken."""
    old = first()
    durable = gd.bind(engine, fsms=[old])
    id = durable.insert(old(cents=250))
    drain(durable)
    durable.signal(id, "go")
    return id.id


def test_two_versions_live_side_by_side(engine, waiting, row):
    """Each instance finishes on the version that it started on."""
    old, new = first(), second()
    durable = gd.bind(engine, fsms=[old, new])
    other = durable.insert(new())
    drain(durable)
    durable.signal(other, "go")
    drain(durable)

    assert row(waiting).result == "v1 250"
    assert row(other).result == "v2 1.0"


def test_an_upgrade(engine, waiting, row):
    """A row of the old version is adopted when it is claimed, once, and stays so."""
    calls = []

    def upgrade(state, step):
        calls.append((state, step))
        return upgraded(state, step)

    durable = gd.bind(engine, fsms=[second(upgrade)])
    drain(durable, with_scheduled=False)
    assert (row(waiting).fsm_version, row(waiting).step) == (2, "close")
    assert row(waiting).state == {"euros": 3.5}
    drain(durable)

    assert row(waiting).result == "v2 3.5"
    assert calls == [({"cents": 250}, "end")]


def test_an_upgrade_before_a_retry(engine, waiting, row):
    """An outcome that changes nothing keeps the version that it ran on, too."""

    class Account(gd.FSM, name="versions.Account", version=3):
        euros: float = 0.0

        @gd.step(initial=True)
        def finish(self, ctx: gd.Context) -> gd.Outcome:
            if ctx.attempt == 0:
                raise ValueError("no")
            return gd.Done(self.euros)

        def handle(self, error: Exception, ctx: gd.Context) -> gd.Outcome:
            return gd.Retry()

        @gd.upgrade(from_version=1)
        @staticmethod
        def up(state: dict, step: str) -> tuple[dict, str]:
            return upgraded(state, step)

    durable = gd.bind(engine, fsms=[Account])
    drain(durable)
    assert row(waiting).result == 2.5
    assert row(waiting).fsm_version == 3


def broken(state, step):
    raise ValueError("cannot")


@pytest.mark.parametrize(
    "upgrade",
    [
        broken,
        lambda state, step: ({"euros": "many"}, "finish"),
        lambda state, step: ({"euros": 1.0}, "nowhere"),
        lambda state, step: None,
    ],
    ids=["raises", "invalid", "nowhere", "nothing"],
)
def test_an_upgrade_that_fails(engine, waiting, row, upgrade):
    """The row is set aside as it was, and taken back once a better build is there."""
    before = row(waiting)
    durable = gd.bind(engine, fsms=[second(upgrade)])
    drain(durable)
    found = row(waiting)

    assert (found.status, found.blocked) == ("runnable", "invalid")
    for column in ("fsm_version", "state", "step", "attempt", "crashes", "eligible_at", "visit"):
        assert getattr(found, column) == getattr(before, column)
    with engine.begin() as conn:  # as a worker does when it starts
        conn.execute(text("UPDATE gendurable.instances SET blocked = NULL"))
    drain(gd.bind(engine, fsms=[second(upgraded)]))
    assert row(waiting).result == "v2 3.5"


def test_a_newer_row(engine, row):
    """A build that has only the old version leaves newer rows alone."""
    new = second()
    id = gd.bind(engine, fsms=[new]).insert(new())
    old = gd.bind(engine, fsms=[first()])
    assert drain(old) == {}
    assert (row(id).blocked, row(id).attempt) == ("unknown", 0)
    assert drain(gd.bind(engine, fsms=[new])) == {"await": 1}


def test_unknown_rows_are_in_nobodys_way(engine, row):
    """Rows of unknown machines keep their place and let others pass."""
    new, old = second(), first()
    elsewhere = gd.bind(engine, fsms=[new])
    strangers = elsewhere.insert_all(gd.Spawn(new(), priority=-1) for _ in range(5))
    durable = gd.bind(engine, fsms=[old])
    known = durable.insert(old())
    before = [row(one).eligible_at for one in strangers]

    assert drain(durable) == {"await": 1}
    assert row(known).status == "awaiting_signal"
    assert {row(one).blocked for one in strangers} == {"unknown"}
    assert [row(one).eligible_at for one in strangers] == before
    assert drain(elsewhere) == {"await": 5}


def test_an_invalid_state(engine, row):
    """A stored state that no longer validates is set aside, not failed."""
    old = first()
    durable = gd.bind(engine, fsms=[old])
    id = durable.insert(old(cents=1))
    with engine.begin() as conn:
        conn.execute(text('UPDATE gendurable.instances SET state = \'{"cents": "many"}\''))
    drain(durable)

    found = row(id)
    assert (found.status, found.blocked, found.attempt) == ("runnable", "invalid", 0)
    assert found.last_error is None
