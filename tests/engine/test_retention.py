"""The sweep: ended instances go when their time is over and nobody needs them any more."""

from __future__ import annotations

import pytest
from sqlalchemy import text

import gendurable as gd
from gendurable.engine.retention import sweep
from gendurable.testing import drain, elapse

DAY = 86_400.0
KEEP = {"done": DAY, "failed": 30 * DAY, "cancelled": 30 * DAY}


class Leaf(gd.FSM, name="retention.Leaf"):
    """Ends at once, as it is told."""

    how: str = "done"

    @gd.step
    def start(self, ctx: gd.Context) -> gd.Outcome:
        return {"done": gd.Done(), "failed": gd.Stop("no")}.get(self.how) or gd.Await("go", "start")


class Root(gd.FSM, name="retention.Root"):
    """Waits for one child that ends and one that does not, once or twice."""

    rounds: int = 1

    @gd.step
    def start(self, ctx: gd.Context) -> gd.Outcome:
        self.rounds -= 1
        children = [Leaf(), Leaf(how="waits")]
        return gd.ScheduleChildren(children, self.start, quorum=1 if self.rounds else None)


@pytest.fixture
def swept(durable):
    """Sweep once; return how many went and how many are held."""

    def swept(batch: int = 100) -> tuple[int, int]:
        with durable.engine.begin() as conn:
            return sweep(conn, durable.db, KEEP, batch)

    return swept


@pytest.fixture
def left(durable):
    """The ids that are still there."""

    def left() -> list[int]:
        with durable.engine.begin() as conn:
            return list(conn.scalars(text("SELECT id FROM gendurable.instances ORDER BY id")))

    return left


def test_each_status_has_its_time(durable, swept, left):
    """What is done goes after a day; what failed or was cancelled stays a month."""
    _done, failed, live, cancelled = (
        durable.insert(Leaf(how=how)).id for how in ("done", "failed", "waits", "waits")
    )
    drain(durable)
    durable.cancel(cancelled, "no")
    assert swept() == (0, 0)
    elapse(durable, DAY + 1)
    assert swept() == (1, 0)
    assert left() == [failed, live, cancelled]
    elapse(durable, 30 * DAY)
    assert swept() == (2, 0)
    assert left() == [live]


def test_signals_and_history_go_along(durable, swept):
    """Nothing of it stays behind."""
    id = durable.insert(Leaf(how="waits"))
    drain(durable)
    durable.signal(id, "other")
    durable.cancel(id, "no")
    elapse(durable, 31 * DAY)
    swept()

    with durable.engine.begin() as conn:
        for table in ("instances", "signals", "transitions"):
            assert conn.scalar(text(f"SELECT count(*) FROM gendurable.{table}")) == 0


def test_children_of_a_live_parent(durable, swept, left):
    """A child of the round that a live parent is in stays as long as the parent may look at it."""
    root = durable.insert(Root())
    drain(durable)
    elapse(durable, 40 * DAY)
    assert swept() == (0, 0)
    assert len(left()) == 3
    durable.cancel(root, "no")
    assert swept() == (1, 0)


def test_children_of_an_old_round(durable, swept, left):
    """Those of an earlier round may go."""
    root = durable.insert(Root(rounds=2))
    drain(durable)
    assert len(left()) == 5
    elapse(durable, 40 * DAY)
    assert swept() == (1, 0)
    assert len(left()) == 4
    assert durable.instance(root).round == 2


def test_what_must_stay_is_not_in_the_way(durable, swept):
    """However many old children must stay, younger ones behind them go."""
    durable.insert(Root())
    drain(durable)
    elapse(durable, 2 * DAY)
    durable.insert_all([Leaf(), Leaf(), Leaf()])
    drain(durable)
    elapse(durable, 2 * DAY)

    assert [swept(batch=1) for _ in range(4)] == [(1, 0)] * 3 + [(0, 0)]


@pytest.mark.parametrize("when", ["", "DEFERRABLE INITIALLY DEFERRED", "ON DELETE RESTRICT"])
def test_a_key_of_the_application(durable, swept, left, when):
    """A row that somebody's foreign key holds is passed over, however that key is checked."""
    held, free = durable.insert(Leaf()).id, durable.insert(Leaf()).id
    drain(durable)
    with durable.engine.begin() as conn:
        conn.execute(
            text(
                "CREATE TABLE invoices"
                f" (instance_id bigint REFERENCES gendurable.instances (id) {when})"
            )
        )
        conn.execute(text("INSERT INTO invoices VALUES (:id)"), {"id": held})
    elapse(durable, 2 * DAY)

    assert swept() == (1, 1)
    assert left() == [held]
    assert free not in left()


def test_a_key_that_is_set_null(durable, swept, left):
    """A foreign key with ``ON DELETE SET NULL`` holds nobody."""
    id = durable.insert(Leaf()).id
    drain(durable)
    with durable.engine.begin() as conn:
        conn.execute(
            text(
                "CREATE TABLE invoices (instance_id bigint"
                " REFERENCES gendurable.instances (id) ON DELETE SET NULL)"
            )
        )
        conn.execute(text("INSERT INTO invoices VALUES (:id)"), {"id": id})
    elapse(durable, 2 * DAY)

    assert swept() == (1, 0)
    with durable.engine.begin() as conn:
        assert conn.scalars(text("SELECT instance_id FROM invoices")).all() == [None]


def test_a_locked_row(durable, swept, conn):
    """What somebody holds is left for the next sweep, without waiting."""
    id = durable.insert(Leaf()).id
    drain(durable)
    elapse(durable, 2 * DAY)
    with conn.begin():
        conn.execute(text("SELECT FROM gendurable.instances WHERE id = :id FOR UPDATE"), {"id": id})
        assert swept() == (0, 1)
    assert swept() == (1, 0)


def test_held_rows_are_not_in_the_way(durable, swept, left):
    """However many rows somebody's keys hold, those behind them go."""
    held = [one.id for one in durable.insert_all([Leaf(), Leaf(), Leaf()])]
    drain(durable)
    elapse(durable, 1)
    durable.insert(Leaf())
    drain(durable)
    with durable.engine.begin() as conn:
        conn.execute(
            text("CREATE TABLE invoices (instance_id bigint REFERENCES gendurable.instances (id))")
        )
        for id in held:
            conn.execute(text("INSERT INTO invoices VALUES (:id)"), {"id": id})
    elapse(durable, 2 * DAY)
    swept(batch=2)

    assert left() == held
