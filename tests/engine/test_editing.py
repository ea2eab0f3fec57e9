"""Rewinding an instance to a step or to its history, and patching its state."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pydantic import Field
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

import gendurable as gd
from gendurable.testing import drain
from tests.engine.script import Note, Scripted, elsewhere


class Trip(gd.FSM, name="engine.Trip", history="all"):
    """Goes from step to step and keeps what it saw."""

    seen: list[str] = Field(default_factory=list)
    price: Decimal = Decimal(0)
    starts: datetime | None = None
    key: bytes = b""

    @gd.step(initial=True)
    def start(self, ctx: gd.Context) -> gd.Outcome:
        self.seen.append("start")
        return gd.Next(self.walk)

    @gd.step(aliases=("stroll",))
    def walk(self, ctx: gd.Context) -> gd.Outcome:
        self.seen.append("walk")
        return gd.Next(self.rest)

    @gd.step
    def rest(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Done(self.seen)


class TestRewind:
    @pytest.mark.parametrize("to", ["walk", "stroll", Trip.walk, Trip().walk], ids=str)
    def test_to_a_step(self, durable, row, to):
        """A step is named by itself, bound or not, by its name or by a former one."""
        id = durable.insert(Trip())
        drain(durable)
        before = row(id)

        durable.rewind(id, to=to)

        now = row(id)
        assert (now.status, now.step, now.attempt, now.crashes) == ("runnable", "walk", 0, 0)
        assert (now.visit, now.result) == (before.visit + 1, None)
        drain(durable)
        assert row(id).result == ["start", "walk", "walk"]

    def test_to_an_entry_of_the_history(self, durable, row, history):
        """An entry of a class with history="all" brings its state back with it."""
        id = durable.insert(Trip())
        drain(durable)
        entry = history(id)[1]
        assert entry.step == "walk"

        durable.rewind(id, to=entry.id, by="ada", reason="again")

        assert (row(id).step, row(id).state["seen"]) == ("walk", ["start"])
        drain(durable)
        assert row(id).result == ["start", "walk"]
        edit = history(id)[3]
        assert (edit.kind, edit.step, edit.made_by, edit.reason) == (
            "rewound",
            "rest",
            "ada",
            "again",
        )

    def test_to_the_entry_itself(self, durable, row, history):
        """A mapped entry stands for its id, also when its session has let it go."""
        id = durable.insert(Trip())
        drain(durable)
        with Session(durable.engine) as session:
            entry = session.get_one(gd.Transition, history(id)[1].id)
            durable.rewind(id, to=entry)
            session.expire(entry)

        assert (row(id).step, row(id).state["seen"]) == ("walk", ["start"])
        durable.rewind(id, to=entry)
        with pytest.raises(gd.InvalidInput, match="not stored"):
            durable.rewind(id, to=gd.Transition(kind="next", step="walk"))
        with pytest.raises(gd.InvalidInput, match="belongs to one instance"):
            durable.rewind(where=gd.Instance.id == int(id), to=entry)

    def test_an_edit_can_be_taken_back(self, durable, row, history):
        """The entry of an edit holds what was before it, whatever the class keeps."""
        id = durable.insert(Scripted(count=1))
        durable.patch_state(id, {"count": 2})
        durable.rewind(id, to=history(id)[0].id)

        assert (row(id).step, row(id).state) == ("start", {"count": 1})

    def test_revives_the_failed(self, durable, script, row):
        """One that has ended lives again, at whatever step it is told."""
        script["start"] = lambda obj, ctx: gd.Stop("no")
        id = durable.insert(Scripted())
        drain(durable)

        durable.rewind(id, to="then")

        assert (row(id).status, row(id).ended_from) == ("runnable", None)
        assert drain(durable) == {"done": 1}

    def test_a_taken_key(self, durable, row):
        """Its key may have been taken since it ended; then it stays as it is."""
        id = durable.insert(Trip(), correlation_key="trip")
        drain(durable)
        other = durable.insert(Trip(), correlation_key="trip")

        with pytest.raises(gd.DuplicateInstance) as caught:
            durable.rewind(id, to="start")
        assert caught.value.id == int(other)
        assert row(id).status == "done"

    def test_of_a_parked_one(self, durable, script, row):
        """What it was parked on is forgotten, unless it stays at that step."""
        script["start"] = lambda obj, ctx: gd.Await("go", then="then", timeout=60)
        ids = [durable.insert(Scripted()) for _ in range(2)]
        drain(durable)

        durable.rewind(ids[0], to="then")
        durable.rewind(ids[1], to="start")

        assert [row(id).awaits for id in ids] == [["go"], None]
        assert [row(id).deadline for id in ids] == [None, None]

    def test_closes_the_barrier(self, durable, script, row):
        """Children that still run count for nothing when their parent was rewound."""
        script["start"] = lambda obj, ctx: (
            gd.Done() if obj.count else gd.ScheduleChildren([Scripted(count=1)], "then")
        )
        id = durable.insert(Scripted())
        with pytest.raises(AssertionError, match="1 steps"):  # and the child is not claimed
            drain(durable, max_steps=1)
        assert row(id).status == "awaiting_children"
        script["then"] = lambda obj, ctx: gd.Await("go", then="then")

        durable.rewind(id, to="then")

        assert (row(id).children_pending, row(id).quorum) == (0, None)
        assert drain(durable) == {"await": 1, "done": 1}
        assert row(id).status == "awaiting_signal"

    @pytest.mark.parametrize("end", [gd.Done(), gd.Stop("no")], ids=["done", "failed"])
    def test_a_child_counts_again(self, durable, script, row, end):
        """A child that is rewound while its parent waits for it is waited for once more."""
        children = [Scripted(count=1), Scripted(count=2)]
        answers = [gd.ScheduleChildren(children, "then"), end, gd.Await("go", then="then")]
        script["start"] = lambda obj, ctx: answers[obj.count]
        id = int(durable.insert(Scripted()))
        drain(durable)
        assert row(id).children_pending == 1
        done = row(id).children_done

        durable.rewind(id + 1, to="start")

        assert (row(id).children_pending, row(id).children_done) == (2, 0)
        drain(durable)
        assert (row(id).children_pending, row(id).children_done) == (1, done)

    def test_a_live_child_counts_once(self, durable, script, row):
        """A child that never ended is waited for already; a rewind of it changes nothing there."""
        answers = [gd.ScheduleChildren([Scripted(count=1)], "then"), gd.Await("go", then="then")]
        script["start"] = lambda obj, ctx: answers[obj.count]
        id = int(durable.insert(Scripted()))
        drain(durable)

        durable.rewind(id + 1, to="then")

        assert row(id).children_pending == 1
        assert drain(durable) == {"done": 2}

    def test_refuses_nonsense(self, durable, script, history):
        """What is no step of it, and no entry with a state, is refused and says why."""
        script["start"] = lambda obj, ctx: gd.Done()
        id, other = durable.insert(Scripted()), durable.insert(Trip())
        durable.pause(id)
        bare = history(id)[0].id
        drain(durable)
        foreign = history(other)[0].id

        for to, match in (
            ("nowhere", "no step"),
            (Trip.walk, "no step"),
            (True, "must be"),
            (None, "must be"),
            (10**9, "no such entry"),
            (2**63, "no id of an entry"),
            (foreign, "no such entry"),
            (bare, "holds no state"),
        ):
            with pytest.raises(gd.InvalidInput, match=match):
                durable.rewind(id, to=to)
        with pytest.raises(gd.NoTarget):
            durable.rewind(10**9, to="start")

    def test_a_state_that_no_longer_loads(self, durable, history):
        """An entry whose state the class does not load by now is refused."""
        id = durable.insert(Trip())
        drain(durable)
        entry = history(id)[0].id
        with durable.engine.begin() as conn:
            conn.execute(text('UPDATE gendurable.transitions SET state = \'{"price": "x"}\''))

        with pytest.raises(gd.InvalidInput, match="price"):
            durable.rewind(id, to=entry)

    def test_what_is_not_known_here(self, durable):
        """Without its class nobody can tell whether it has such a step."""
        id = durable.insert(Trip())
        other = gd.bind(durable.engine, fsms=[Scripted])

        with pytest.raises(gd.InvalidInput, match="import its class"):
            other.rewind(id, to="walk")

    def test_ends_the_session_of_who_loses_it(self, durable, script, row):
        """Locks of the step that lost its row are gone when rewind returns; it commits nothing."""

        def start(obj, ctx):
            ctx.session.add(Note(text="ghost"))
            ctx.session.flush()
            elsewhere(lambda: durable.rewind(ctx.id, to="then"))
            try:
                ctx.session.execute(text("SELECT 1"))
            except DBAPIError:
                gone.append(ctx.step)
                raise
            return gd.Done()

        gone = []
        script["start"] = start
        id = durable.insert(Scripted())

        assert drain(durable) == {"stale": 1, "done": 1}
        assert (gone, row(id).step) == (["start"], "then")
        with durable.engine.begin() as conn:
            assert conn.scalar(text("SELECT count(*) FROM notes")) == 0


class TestPatch:
    def test_changes_what_it_names(self, durable, row):
        """Other fields stay, and the step runs with the new state."""
        id = durable.insert(Trip(seen=["a"], price=Decimal("1.5")))
        before = row(id).visit

        durable.patch_state(id, {"price": Decimal("2.50")})

        assert row(id).state == {"seen": ["a"], "price": "2.50", "starts": None, "key": ""}
        assert (row(id).visit, row(id).status) == (before + 1, "runnable")

    @pytest.mark.parametrize(
        "values",
        [
            {"starts": datetime(2030, 1, 2, tzinfo=UTC), "key": b"\xff\x00"},
            {"starts": "2030-01-02T00:00:00Z", "key": "_wA="},
        ],
        ids=["python", "json"],
    )
    def test_takes_python_and_json(self, durable, row, values):
        """A field takes its own type, and what JSON has for it, as a command line would send it."""
        id = durable.insert(Trip())

        durable.patch_state(id, values)

        assert row(id).state["starts"] == "2030-01-02T00:00:00Z"
        assert row(id).state["key"] == "_wA="

    @pytest.mark.parametrize(
        ("values", "match"),
        [
            ({"price": "cheap"}, r"Trip\.price='cheap'"),
            ({"seen": [1]}, r"Trip\.seen\.0=1"),
            ({"colour": "red"}, "has no field 'colour'"),
            ({"seen": ["\0"]}, r"Trip\.seen"),
            ({"price": object()}, r"Trip\.price"),
            ({}, "dict"),
            ([("price", 1)], "dict"),
        ],
        ids=str,
    )
    def test_refuses_what_its_class_refuses(self, durable, row, values, match):
        """The message names the field; the row is as it was."""
        id = durable.insert(Trip())
        before = row(id)

        with pytest.raises(gd.InvalidInput, match=match):
            durable.patch_state(id, values)
        assert row(id) == before

    def test_expect(self, durable, row):
        """An edit of what one has not seen is refused."""
        id = durable.insert(Trip())
        seen = row(id).visit
        durable.patch_state(id, {"price": 1}, expect=seen)

        with pytest.raises(gd.InvalidInput, match="visit"):
            durable.patch_state(id, {"price": 2}, expect=seen)
        with pytest.raises(gd.InvalidInput, match="expect"):
            durable.patch_state(id, {"price": 2}, expect="1")
        assert row(id).state["price"] == "1"

    def test_mends_what_did_not_load(self, durable, row):
        """What was set aside because of its state is looked at again."""
        id = durable.insert(Trip())
        with durable.engine.begin() as conn:
            conn.execute(text('UPDATE gendurable.instances SET state = \'{"price": "x"}\''))
        assert drain(durable) == {"invalid": 1}
        assert row(id).blocked == "invalid"

        durable.patch_state(id, {"price": 3})

        assert row(id).blocked is None
        assert drain(durable)["done"] == 1

    def test_leaves_the_parked_parked_and_the_ended_ended(self, durable, script, row, history):
        """An edit of the state moves nobody but who executes it."""
        script["start"] = lambda obj, ctx: (
            gd.Stop("no") if obj.count else gd.Await("go", then="then", timeout=60)
        )
        parked, ended = durable.insert(Scripted()), durable.insert(Scripted(count=1))
        drain(durable)

        durable.patch_state(parked, {"count": 5}, by="ada", reason="why not")
        durable.patch_state(ended, {"count": 6})

        assert (row(parked).status, row(parked).deadline is None) == ("awaiting_signal", False)
        assert (row(ended).status, row(ended).ended_from) == ("failed", "executing")
        entry = history(parked)[-1]
        assert (entry.kind, entry.made_by, entry.reason) == ("patched", "ada", "why not")
        assert entry.state == {"count": 0}

    def test_takes_it_from_its_worker(self, durable, script, row):
        """The step that runs meanwhile commits nothing, and runs again with the new state."""
        states = []

        def start(obj, ctx):
            states.append((obj.count, ctx.idempotency_key))
            if obj.count == 0:
                elsewhere(lambda: durable.patch_state(ctx.id, {"count": 1}))
                return gd.Next("then")
            return gd.Done()

        script["start"] = start
        id = durable.insert(Scripted())

        assert drain(durable) == {"stale": 1, "done": 1}
        assert [count for count, _ in states] == [0, 1]
        assert states[0][1] != states[1][1]
        assert row(id).step == "start"


class TestCallersTransaction:
    def test_takes_effect_with_its_commit(self, durable, engine, script, row, history):
        """Several edits in one transaction are one; rolled back they leave no entry either."""
        script["start"] = lambda obj, ctx: gd.Stop("no") if obj.count == 0 else gd.Done(obj.count)
        id = durable.insert(Scripted(), correlation_key="k")
        drain(durable)
        before, entries = row(id), len(history(id))

        with Session(engine) as session:
            durable.patch_state(id, {"count": 3}, session=session)
            durable.rewind(id, to="start", session=session)
            session.rollback()
        assert (row(id), len(history(id))) == (before, entries)

        with Session(engine) as session, session.begin():
            durable.patch_state(id, {"count": 3}, session=session)
            durable.retry(id, session=session)
            durable.pause("k", session=session)
        assert drain(durable) == {}
        durable.resume("k")
        assert drain(durable) == {"done": 1}
        assert row(id).result == 3


class TestVersions:
    def test_an_old_row_is_brought_up_first(self, durable, row):
        """A row that a newer class adopts is edited as that class has it."""

        class Old(gd.FSM, name="engine.Aging", version=1):
            cents: int = 0

            @gd.step
            def pay(self, ctx: gd.Context) -> gd.Outcome:
                return gd.Done()

        class New(gd.FSM, name="engine.Aging", version=2):
            euros: int = 0

            @gd.step(initial=True)
            def settle(self, ctx: gd.Context) -> gd.Outcome:
                return gd.Done(self.euros)

            @gd.step
            def check(self, ctx: gd.Context) -> gd.Outcome:
                return gd.Next(self.settle)

            @gd.upgrade(from_version=1)
            @staticmethod
            def up(state: dict, step: str) -> tuple[dict, str]:
                return {"euros": state["cents"] // 100}, "settle"

        first = gd.bind(durable.engine, fsms=[Old])
        ids = [first.insert(Old(cents=700)) for _ in range(2)]
        second = gd.bind(durable.engine, fsms=[New])

        second.patch_state(ids[0], {"euros": 8})
        second.rewind(ids[1], to=New.check)

        assert [(row(id).fsm_version, row(id).step) for id in ids] == [(2, "settle"), (2, "check")]
        assert [row(id).state["euros"] for id in ids] == [8, 7]
