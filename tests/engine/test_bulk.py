"""One thing done to all instances that a condition finds, each atomically and with its entry."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, exists, func, select, true

import gendurable as gd
from gendurable.engine import bulk
from gendurable.testing import drain
from tests.engine.script import Scripted

QUEUE = gd.Instance.queue == "x"


@pytest.fixture
def small(monkeypatch) -> None:
    """Pages of three, so that a test of ten needs several."""
    monkeypatch.setattr(bulk, "PAGE", 3)


@pytest.fixture
def statuses(durable):
    """Count the instances of queue x by status."""

    def statuses() -> dict[str, int]:
        query = select(gd.Instance.status, func.count()).where(QUEUE).group_by(gd.Instance.status)
        with durable.engine.begin() as conn:
            return {str(status): count for status, count in conn.execute(query)}

    return statuses


def ten(durable, queue="x"):
    return [int(one) for one in durable.insert_all([gd.Spawn(Scripted(), queue=queue)] * 10)]


class TestBulk:
    def test_cancel(self, durable, small, statuses, history, row):
        """All that live are ended, page by page; those of other queues are not."""
        ids, others = ten(durable), ten(durable, "y")
        durable.cancel(ids[0], "before")

        assert durable.cancel(where=QUEUE, reason="sold", by="ada") == 9
        assert durable.cancel(where=QUEUE, reason="sold") == 0
        assert statuses() == {"cancelled": 10}
        assert row(others[0]).status == "runnable"
        assert [(e.kind, e.made_by, e.reason) for e in history(ids[4])] == [
            ("cancelled", "ada", "sold")
        ]

    def test_cancel_with_families(self, durable, small, script, statuses):
        """A cascade goes from all of a page to all of their children."""
        children = [gd.Spawn(Scripted(count=1), queue="z")] * 2
        script["start"] = lambda obj, ctx: gd.ScheduleChildren(children, "then")
        ten(durable)
        drain(durable, queue="x")

        assert durable.cancel(where=QUEUE, reason="sold", cascade=True) == 30
        assert statuses() == {"cancelled": 10}
        assert durable.cancel(where=gd.Instance.queue == "z", reason="sold") == 0

    def test_cancel_counts_on_barriers(self, durable, small, script, row):
        """A parent whose children are all cancelled by one condition goes on."""
        children = [gd.Spawn(Scripted(count=1), queue="x")] * 10
        script["start"] = lambda obj, ctx: gd.ScheduleChildren(children, "then")
        parent = durable.insert(Scripted(), queue="y")
        drain(durable, queue="y")

        assert durable.cancel(where=QUEUE, reason="sold") == 10
        assert row(parent).status == "runnable"

    def test_retry(self, durable, small, statuses, history, caplog):
        """All that failed or were cancelled are put back, but for one whose key was taken."""
        durable.insert(Scripted(), queue="x", correlation_key="k")
        ids = ten(durable)
        durable.cancel(where=QUEUE, reason="oops")
        durable.insert(Scripted(), queue="y", correlation_key="k")

        assert durable.retry(where=QUEUE, by="ada", reason="after all") == 10
        assert statuses() == {"runnable": 10, "cancelled": 1}
        assert "'k' is held by" in caplog.text
        assert [e.kind for e in history(ids[0])] == ["cancelled", "retried"]

    def test_pause_and_resume(self, durable, small, statuses, row):
        """What is paused by a condition is what it finds then, not what comes later."""
        ids = ten(durable)
        assert durable.pause(where=QUEUE, by="ada") == 10
        assert durable.pause(where=QUEUE) == 0
        late = ten(durable)

        assert all(row(id).paused_at is not None for id in ids)
        assert row(late[0]).paused_at is None
        assert durable.resume(where=gd.Instance.paused_at.isnot(None)) == 10

    def test_rewind(self, durable, small, statuses, script, row, caplog):
        """All are set to a step; those of a machine without it stay, and are logged."""
        script["start"] = script["then"] = lambda obj, ctx: gd.Done()
        ids = ten(durable)
        drain(durable)
        other = durable.insert(Lonely(), queue="x")

        assert durable.rewind(where=QUEUE, to="then", by="ada") == 10
        assert {row(id).step for id in ids} == {"then"}
        assert row(other).step == "only"
        assert "no step of engine.Lonely" in caplog.text
        with pytest.raises(gd.InvalidInput, match="entry"):
            durable.rewind(where=QUEUE, to=1)

    @pytest.mark.parametrize(
        ("kind", "deed"),
        [
            ("cancelled", lambda durable, **kw: durable.cancel(cascade=True, **kw)),
            ("retried", lambda durable, **kw: durable.retry(**kw)),
            ("paused", lambda durable, **kw: durable.pause(**kw)),
            ("resumed", lambda durable, **kw: durable.resume(**kw)),
            ("rewound", lambda durable, **kw: durable.rewind(to="then", **kw)),
        ],
    )
    def test_each_leaves_its_entry(self, durable, small, script, history, kind, deed):
        """Whose hand it was, why, and where the instance stood; children of a cascade too."""
        script["start"] = lambda obj, ctx: (
            gd.Await("go", "then")
            if obj.count
            else gd.ScheduleChildren([Scripted(count=1)], "then")
        )
        ids = ten(durable)
        drain(durable)
        with durable.engine.begin() as conn:
            born = list(
                conn.scalars(select(gd.Instance.id).where(gd.Instance.parent_id.isnot(None)))
            )
        if kind == "retried":
            durable.cancel(where=QUEUE, reason="first")
        if kind == "resumed":
            durable.pause(where=QUEUE)

        assert deed(durable, where=QUEUE, by="ada", reason="for good") == (
            20 if kind == "cancelled" else 10
        )

        for id in ids + (born if kind == "cancelled" else []):
            entry = history(id)[-1]
            assert (entry.kind, entry.made_by, entry.reason) == (kind, "ada", "for good")
            assert (entry.step, entry.attempt) == ("then", 0)
        assert kind == "cancelled" or all(history(id) == [] for id in born)

    def test_in_the_callers_transaction(self, durable, small, session, statuses):
        """It takes effect with the caller's commit, or not at all."""
        ten(durable)
        with session.begin_nested() as savepoint:
            assert durable.cancel(where=QUEUE, reason="no", session=session) == 10
            savepoint.rollback()

        assert statuses() == {"runnable": 10}

    def test_conditions_on_state_and_other_tables(self, durable, row):
        """Whatever SQLAlchemy can say of an instance is a condition."""
        one = durable.insert(Scripted(count=7))
        two = durable.insert(Scripted())
        durable.signal(two, "go")
        mail = exists().where(gd.StoredSignal.target_id == gd.Instance.id)

        assert durable.pause(where=gd.Instance.state["count"].as_integer() == 7) == 1
        assert durable.cancel(where=mail, reason="read") == 1
        assert (row(one).status, row(two).status) == ("runnable", "cancelled")
        assert durable.cancel(where=true(), reason="all") == 1

    def test_refuses_what_is_no_condition(self, durable, url):
        """A condition that is none, none at all, or one on another schema's table."""
        for wrong in ({"where": True}, {"where": gd.Instance}, {}):
            with pytest.raises(gd.InvalidInput):
                durable.cancel(reason="x", **wrong)
        with pytest.raises(gd.InvalidInput):
            durable.cancel(1, "x", where=QUEUE)
        elsewhere = gd.bind(create_engine(url), schema="elsewhere")
        with pytest.raises(gd.InvalidInput, match="durable.Instance"):
            elsewhere.pause(where=QUEUE)

    def test_in_another_schema(self, url):
        """A binding's own classes make conditions on its own tables."""
        engine = create_engine(url)
        elsewhere = gd.bind(engine, schema="elsewhere")
        elsewhere.create_schema()
        handle = elsewhere.insert(Scripted(), queue="x")

        assert elsewhere.cancel(where=elsewhere.Instance.queue == "x", reason="no") == 1
        assert handle.instance().status == "cancelled"
        assert elsewhere.pause(queue="x") == 1
        engine.dispose()

    @pytest.mark.parametrize("what", ["cancel", "cascade", "pause", "rewind"])
    def test_never_reaches_the_running_step(self, durable, script, row, what):
        """A step whose condition finds itself, or by a cascade its parent, is told to think."""
        calls = {
            "cancel": lambda: durable.cancel(where=QUEUE, reason="no"),
            "cascade": lambda: durable.cancel(
                where=gd.Instance.queue == "y", reason="no", cascade=True
            ),
            "pause": lambda: durable.pause(where=QUEUE),
            "rewind": lambda: durable.rewind(where=QUEUE, to="then"),
        }

        def start(obj, ctx):
            if obj.count:
                with pytest.raises(gd.InvalidInput, match="own instance"):
                    calls[what]()
                return gd.Done("went on")
            return gd.ScheduleChildren([gd.Spawn(Scripted(count=1), queue="x")], "then")

        script["start"] = start
        id = int(durable.insert(Scripted(), queue="y"))
        drain(durable)
        assert (row(id).status, row(id + 1).result) == ("done", "went on")


class Lonely(gd.FSM, name="engine.Lonely"):
    """Has a step that nobody else has."""

    @gd.step
    def only(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Done()
