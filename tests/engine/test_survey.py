"""The deploy check and the upgrade of stored states: what a build makes of live rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, text, update

import gendurable as gd
from gendurable.engine import survey
from gendurable.machine import isolated


@pytest.fixture(autouse=True)
def own_machines() -> Iterator[None]:
    with isolated():
        yield


def first() -> type[gd.FSM]:
    class Trip1(gd.FSM, name="survey.Trip", version=1):
        name: str

        @gd.step(initial=True)
        def start(self, ctx: gd.Context) -> gd.Outcome:
            return gd.Await("go", then=self.fly)

        @gd.step
        def fly(self, ctx: gd.Context) -> gd.Outcome:
            return gd.Done(self.name)

    return Trip1


def second() -> type[gd.FSM]:
    class Trip2(gd.FSM, name="survey.Trip", version=2):
        first: str
        last: str

        @gd.step(initial=True)
        def start(self, ctx: gd.Context) -> gd.Outcome:
            return gd.Await("go", then=self.ride)

        @gd.step
        def ride(self, ctx: gd.Context) -> gd.Outcome:
            return gd.Done(f"{self.last}, {self.first}")

        @gd.upgrade(from_version=1)
        def from_1(state: dict[str, Any], step: str) -> tuple[dict[str, Any], str]:  # noqa: N805
            one, two = state["name"].split(" ")
            return {"first": one, "last": two}, {"fly": "ride"}.get(step, step)

    return Trip2


@pytest.fixture
def build(engine):
    """A binding that knows these classes and no others."""
    made = []

    def build(*classes: type[gd.FSM], **settings: Any) -> gd.Durable:
        made.append(gd.bind(engine, fsms=classes, **settings))
        return made[-1]

    yield build
    for one in made:
        one.notifier.close()


@pytest.fixture
def small(monkeypatch):
    """Pages of two rows, so that there are several."""
    monkeypatch.setattr(survey, "PAGE", 2)


def set_row(durable: gd.Durable, target: Any, **values: Any) -> None:
    table = durable.Instance.__table__
    with durable.engine.begin() as conn:
        conn.execute(update(table).where(table.c.id == int(target)).values(**values))


class TestCheck:
    def test_says_nothing_of_rows_that_this_build_can_run(self, build, small):
        """All pages are read, and progress is told to the end."""
        Trip = first()
        durable = build(Trip)
        durable.insert_all([Trip(name="Ada Lovelace") for _ in range(5)])
        told: list[tuple[int, int]] = []

        checked = durable.check(lambda done, total: told.append((done, total)))

        assert checked.ok
        assert checked.rows == 5
        assert told == [(2, 5), (4, 5), (5, 5)]

    def test_names_machines_versions_and_steps_that_are_missing(self, build):
        """Each with how many rows stand there and one of them, and what the build has."""
        Trip = first()
        durable = build(Trip)
        ids = [int(one) for one in durable.insert_all([Trip(name="a") for _ in range(3)])]
        set_row(durable, ids[1], fsm="survey.Gone")
        set_row(durable, ids[2], step="walk")

        gone, walk = durable.check().findings

        assert (gone.kind, gone.fsm, gone.count, gone.example) == (
            "unknown",
            "survey.Gone",
            1,
            ids[1],
        )
        assert "no machine of that name" in gone.reason
        assert (walk.kind, walk.step, walk.example) == ("unknown", "walk", ids[2])
        assert "it has start, fly" in str(walk)

    def test_a_version_without_an_upgrade_is_missing(self, build):
        """The newer class alone cannot run what the older one began."""
        Trip = first()
        build(Trip).insert(Trip(name="a"))

        class Trip3(gd.FSM, name="survey.Trip", version=3):
            @gd.step
            def start(self, ctx: gd.Context) -> gd.Outcome:
                return gd.Done()

        (finding,) = build(Trip3).check().findings

        assert finding.reason == "this build has version 3, and no upgrade from 1"
        assert "@gd.upgrade(from_version=1)" in str(finding.advice)

    def test_a_version_that_is_newer_is_not_taken_back(self, build):
        """After a rollback: no upgrade leads there, so none is advised."""
        Trip = second()
        build(Trip).insert(Trip(first="a", last="b"))

        (finding,) = build(first()).check().findings

        assert finding.reason == "this build has version 1, and no upgrade from 2, which is newer"
        assert finding.advice == "keep a build that has version 2 until its rows have ended"

    def test_tells_all_that_is_wrong_with_a_state(self, build):
        """Each field with what is said of it, up to three, and how many more."""
        Trip = second()
        durable = build(Trip)
        few, many = durable.insert_all([Trip(first="a", last="b") for _ in range(2)])
        set_row(durable, few, state={"first": 1})
        set_row(durable, many, state={"first": 1, "x": 1, "y": 2, "z": 3})

        by_id = {one.example: one for one in durable.check().findings}

        assert by_id[int(few)].reason == (
            "first: Input should be a valid string; last: Field required"
        )
        assert by_id[int(many)].reason.endswith(
            "last: Field required; x: Extra inputs are not permitted; 2 more"
        )
        assert "gendurable patch-state" in str(by_id[int(few)].advice)

    def test_advises_to_mend_the_upgrade_that_fails(self, build):
        """The row is as the old release has left it; what is wrong stands in the new one."""
        one, two = first(), second()
        build(one).insert(one(name="Plato"))

        (finding,) = build(two).check().findings

        assert finding.reason.startswith("brought up to version 2: ValueError: ")
        assert finding.advice == "mend the @gd.upgrade of survey.Trip version 2"

    def test_counts_states_that_do_not_load_by_what_is_wrong(self, build, small):
        """Also those that an upgrade cannot bring up; values do not tell them apart."""
        one, two = first(), second()
        old = build(one)
        old.insert_all([one(name="Ada Lovelace"), one(name="Plato"), one(name="Homer")])
        new = build(two)
        odd = new.insert(two(first="a", last="b"))
        set_row(new, odd, state={"first": 1})

        upgrade, state = new.check().findings

        assert (upgrade.kind, upgrade.version, upgrade.count) == ("invalid", 1, 2)
        assert "ValueError" in upgrade.reason
        assert (state.kind, state.version, state.count, state.example) == (
            "invalid",
            2,
            1,
            odd.id,
        )

    def test_ended_rows_are_nobodys_concern(self, build):
        """What has ended will not run."""
        Trip = first()
        durable = build(Trip)
        durable.cancel(durable.insert(Trip(name="a")), "no")
        gone = build()

        assert gone.check().ok

    def test_finds_targets_that_the_code_lacks(self, build):
        """A step that does not exist is found before a row runs into it."""

        class Typo(gd.FSM):
            @gd.step
            def start(self, ctx: gd.Context) -> gd.Outcome:
                return gd.Next("finnish")

        (finding,) = build(Typo).check().findings

        assert (finding.kind, finding.step, finding.count) == ("target", "start", 0)
        assert "'finnish'" in str(finding)

    def test_a_missing_schema_says_so(self, empty_url):
        """The error names the command, as everywhere."""
        engine = create_engine(empty_url)
        with pytest.raises(gd.SchemaError):
            gd.bind(engine, fsms=[]).check()
        engine.dispose()


class TestUpgradeState:
    def test_brings_idle_rows_up(self, build, small):
        """Waiting and parked rows alike; step and state change, attempt and place do not."""
        one, two = first(), second()
        old, new = build(one), build(two)
        ids = [int(x) for x in old.insert_all([one(name=f"N{n} Last") for n in range(5)])]
        set_row(old, ids[4], step="fly", status="awaiting_signal", awaits=["go"], attempt=3)
        told: list[tuple[int, int]] = []

        answer = new.upgrade_state(lambda done, total: told.append((done, total)))

        assert (answer.upgraded, answer.left, answer.ok) == (5, 0, True)
        assert told[-1] == (5, 5)
        row = new.instance(ids[4])
        assert (row.fsm_version, row.step, row.attempt) == (2, "ride", 3)
        assert row.state == {"first": "N4", "last": "Last"}
        assert new.upgrade_state().upgraded == 0
        with new.worker(queues={"default": 2}):
            new.signal(ids[4], "go")
            assert new.wait(ids[4], 10, "terminal").result == "Last, N4"

    def test_leaves_what_is_executed_or_held(self, build, connect):
        """It waits for nobody; such rows are brought up when they are next claimed."""
        one, two = first(), second()
        old, new = build(one), build(two)
        ids = [int(x) for x in old.insert_all([one(name="A B") for _ in range(3)])]
        with new.engine.begin() as conn:
            conn.execute(
                text(
                    "UPDATE gendurable.instances SET status = 'executing', locked_by = 'w',"
                    " lease_expires_at = statement_timestamp() WHERE id = :id"
                ),
                {"id": ids[0]},
            )
        holder = connect()
        holder.execute(
            text("SELECT 1 FROM gendurable.instances WHERE id = :id FOR UPDATE"), {"id": ids[1]}
        )

        answer = new.upgrade_state()

        assert (answer.upgraded, answer.left, answer.ok) == (1, 2, True)
        assert [new.instance(id).fsm_version for id in ids] == [1, 1, 2]

    def test_says_what_it_could_not_bring_up(self, build):
        """Such a row stays as it was."""
        one, two = first(), second()
        handle = build(one).insert(one(name="Plato"))
        new = build(two)

        answer = new.upgrade_state()

        assert not answer.ok
        assert (answer.findings[0].example, answer.upgraded, answer.left) == (handle.id, 0, 0)
        assert new.instance(handle).fsm_version == 1

    def test_puts_back_what_was_set_aside_and_can_run_now(self, build):
        """Unknown that is known, and invalid that loads; the rest stays aside."""
        Trip = first()
        durable = build(Trip)
        known, loads, broken, gone = durable.insert_all([Trip(name="a") for _ in range(4)])
        set_row(durable, known, blocked="unknown")
        set_row(durable, loads, blocked="invalid")
        set_row(durable, broken, blocked="invalid", state={})
        set_row(durable, gone, blocked="unknown", step="walk")

        answer = durable.upgrade_state()

        assert (answer.cleared, answer.upgraded) == (2, 0)
        assert answer.queues == {"default"}
        assert [one.example for one in answer.findings] == [broken.id]
        blocked = [durable.instance(one).blocked for one in (known, loads, broken, gone)]
        assert blocked == [None, None, "invalid", "unknown"]
