"""Concurrency keys: how many execute, who is next, and that nobody is forgotten."""

from __future__ import annotations

import pytest

import gendurable as gd
from gendurable import events
from gendurable.engine import leases
from gendurable.errors import InvalidInput
from gendurable.testing import drain
from tests.races.gatekeeper import Gatekeeper
from tests.races.play import SCRIPT, Actor


class TestWidth:
    def test_is_one_without_a_limit(self, play):
        """Of a key that nobody configures one instance executes; the others wait for it."""
        ids = play.rows_of(3, concurrency_key="a")
        claims = play.start()

        assert [one.id for one in claims] == ids[:1]
        assert play.waits(*ids) == [None, "key", "key"]
        play.end(*claims)
        assert play.started() == ids[1:2]

    def test_is_that_of_the_name(self, play):
        """What a limit allows is allowed to each key of its name."""
        play.durable.set_limit("stripe", gd.ConcurrencyLimit(2))
        keys = "stripe", ("stripe", 1), ("stripe", "a:b"), "other:stripe"
        ids = [play.rows_of(3, concurrency_key=key) for key in keys]

        assert set(play.started()) == {
            *ids[0][:2],
            *ids[1][:2],
            *ids[2][:2],
            ids[3][0],
        }
        assert {
            row[0] for row in play.rows("SELECT concurrency_key FROM gendurable.instances")
        } == {
            "stripe",
            "stripe:1",
            "stripe:a:b",
            "other:stripe",
        }

    def test_of_one_key_is_nobody_else_s(self, play):
        """Rows of other keys, and rows without, are not held up."""
        play.rows_of(150, concurrency_key="a", priority=-5)
        others = play.rows_of(2, concurrency_key="b") + play.rows_of(3)

        assert play.started(10)[1:] == [others[0], *others[2:]]

    def test_a_binding_s_word_is_written_by_a_worker(self, engine, eventually):
        """A worker writes its limits down at its start, and leaves alone those of others."""
        durable = gd.bind(
            engine,
            concurrency_limits={"a": gd.ConcurrencyLimit(3)},
            rate_limits={"r": gd.RateLimit(5, per=60)},
        )
        durable.set_limit("b", gd.ConcurrencyLimit(9))
        with durable.worker(gc=False):
            eventually(lambda: len(durable.limits()) == 3)
        durable.notifier.close()

        assert [(one.kind, one.name, one.source, one.limit) for one in durable.limits()] == [
            ("key", "a", "binding", gd.ConcurrencyLimit(3)),
            ("key", "b", "override", gd.ConcurrencyLimit(9)),
            ("rate", "r", "binding", gd.RateLimit(5, per=60.0)),
        ]

    def test_an_override_wins_until_it_is_taken_back(self, engine):
        """What an operator says counts more than a binding, which counts again afterwards."""
        durable = gd.bind(engine, concurrency_limits={"a": gd.ConcurrencyLimit(3)})
        play = Gatekeeper(durable)
        drain(durable)
        play.rows_of(10, concurrency_key="a")
        durable.set_limit("a", gd.ConcurrencyLimit(1))
        assert len(play.start()) == 1
        durable.set_limit("a", None)
        play.look(["a"])
        assert len(play.start()) == 2
        durable.notifier.close()

    @pytest.mark.parametrize("name", ["", "a:b", "x" * 513, "a\0", 7])
    def test_a_name_that_no_key_begins_with(self, durable, name):
        """A name has no colon; and it is as long as keys may be."""
        with pytest.raises(InvalidInput):
            durable.set_limit(name, gd.ConcurrencyLimit(1))

    @pytest.mark.parametrize("limit", [1, "2", gd.ConcurrencyLimit])
    def test_what_is_no_limit(self, durable, limit):
        """A number is not enough: it could be meant as the one or the other."""
        with pytest.raises(InvalidInput, match="must be a ConcurrencyLimit"):
            durable.set_limit("a", limit)

    def test_is_set_with_the_caller_s_transaction(self, play, conn):
        """A limit takes effect when its transaction commits, and not if it is rolled back."""
        with conn.begin() as transaction:
            play.durable.set_limit("a", gd.ConcurrencyLimit(2), session=conn)
            assert len(play.durable.limits(session=conn)) == 1
            assert play.durable.limits() == []
            transaction.rollback()

        assert play.durable.limits() == []


class TestChanges:
    def test_lowering_drains(self, play):
        """After a limit was lowered nothing starts until fewer execute than it allows."""
        play.durable.set_limit("a", gd.ConcurrencyLimit(4))
        play.rows_of(10, concurrency_key="a")
        claims = play.start()
        assert len(claims) == 4
        play.durable.set_limit("a", gd.ConcurrencyLimit(2))
        for _ in range(2):
            play.end(claims.pop())
            assert play.start() == []
        play.end(claims.pop())
        assert len(play.start()) == 1

    def test_lowering_while_the_upper_slots_are_taken(self, play):
        """Slots above the limit count as well."""
        play.durable.set_limit("a", gd.ConcurrencyLimit(4))
        ids = play.rows_of(10, concurrency_key="a")
        claims = play.start()
        assert [play.row(id).slot for id in ids[:4]] == [0, 1, 2, 3]
        play.durable.set_limit("a", gd.ConcurrencyLimit(3))
        play.end(claims[0], claims[1])

        assert [play.row(id).slot for id in play.started()] == [0]

    def test_raising_is_found_by_a_sweep(self, play):
        """More room than before is filled from those that wait, all at once."""
        play.rows_of(20, concurrency_key="a")
        assert len(play.start()) == 1
        play.durable.set_limit("a", gd.ConcurrencyLimit(5))
        assert play.sweep() == {"a"}
        play.look({"a"})

        assert len(play.start()) == 4

    def test_raising_wakes_within_a_second(self, durable, eventually):
        """A worker that waits for a key starts more of it soon after its limit was raised."""
        play = Gatekeeper(durable)
        running: list[int] = []
        release: list[int] = []

        def step(obj, ctx):
            running.append(ctx.id)
            eventually(lambda: release)
            return gd.Done()

        SCRIPT.clear()
        SCRIPT["start"] = step
        play.rows_of(5, concurrency_key="a")
        try:
            with durable.worker(queues={"default": 5}, gc=False):
                eventually(lambda: running)
                durable.set_limit("a", gd.ConcurrencyLimit(5))
                eventually(lambda: len(running) == 5, 1.25)
                release.append(1)
        finally:
            release.append(1)
            SCRIPT.clear()


class TestOrder:
    def test_of_those_that_wait(self, play):
        """The most urgent of a key is next: by priority, then by the time it is due, then by id."""
        held = play.start() if play.rows_of(1, concurrency_key="a") else []
        late = play.rows_of(2, concurrency_key="a", priority=1)
        soon = play.rows_of(2, concurrency_key="a", priority=-1)
        usual = play.rows_of(2, concurrency_key="a")
        play.change(
            "UPDATE gendurable.instances SET eligible_at = eligible_at - interval '1 h'"
            " WHERE id = :id",
            id=usual[1],
        )
        order = []
        assert play.start() == []
        while held:
            play.end(*held)
            held = play.start()
            order += [one.id for one in held]

        assert order == [*soon, usual[1], usual[0], *late]

    def test_a_newcomer_does_not_pass_those_that_wait(self, play):
        """Who comes between the commit that frees a slot and the look waits behind the others."""
        play.rows_of(1, concurrency_key="a")
        first = play.start()
        waiting = play.rows_of(2, concurrency_key="a")
        assert play.start() == []
        play.commit(play.say(first[0], gd.Done()))
        (newcomer,) = play.rows_of(1, concurrency_key="a")

        assert play.started() == waiting[:1]
        assert play.waits(newcomer) == ["key"]

    def test_an_urgent_newcomer_goes_first(self, play):
        """Who is more urgent than those that wait takes the slot that is free."""
        play.rows_of(1, concurrency_key="a")
        first = play.start()
        waiting = play.rows_of(2, concurrency_key="a")
        assert play.start() == []
        play.commit(play.say(first[0], gd.Done()))
        (newcomer,) = play.rows_of(1, concurrency_key="a", priority=-1)
        claims = play.start()

        assert [one.id for one in claims] == [newcomer]
        assert play.waits(*waiting) == ["key", "key"]
        play.end(*claims)
        assert play.started() == waiting[:1]

    def test_of_rows_with_limits_among_others(self, play):
        """Rows with limits and rows without are claimed in one order."""
        play.durable.set_limit("a", gd.ConcurrencyLimit(10))
        ids = [
            int(play.durable.insert(Actor(), concurrency_key="a" if n % 2 else None))
            for n in range(10)
        ]

        assert play.started() == ids

    def test_no_more_are_started_than_there_are_slots(self, play):
        """A worker with two free slots claims two of a key that would let ten in."""
        play.durable.set_limit("a", gd.ConcurrencyLimit(10))
        ids = play.rows_of(6, concurrency_key="a")
        assert play.started(2) == ids[:2]
        assert play.started(2) == ids[2:4]
        assert play.started(10) == ids[4:]

    def test_a_full_worker_leaves_the_rest_to_others(self, play):
        """Who was let in and found no free slot in the worker keeps nobody from being let in."""
        ids = play.rows_of(6, concurrency_key="a")
        play.start()
        play.durable.set_limit("a", gd.ConcurrencyLimit(10))
        play.look({"a"})
        assert play.started(2) == ids[1:3]
        assert play.started(2) == ids[3:5]
        assert play.started(2) == ids[5:]

    def test_claiming_ahead_leaves_limited_rows(self, play):
        """What a worker claims beyond its slots is never limited: it would hold a slot idly."""
        play.rows_of(1, concurrency_key="a")
        plain = play.rows_of(3)
        claimed = play.turn(demand=0, ahead=10)

        assert [one.id for one in claimed.claims] == plain
        assert claimed.crowded
        assert play.executing("a") == 0


class TestQueues:
    def test_share_a_key(self, play):
        """A key counts the rows of all queues; each queue has a row that may be next."""
        (here,) = play.rows_of(1, concurrency_key="a")
        (there,) = play.rows_of(1, concurrency_key="a", queue="other")
        claims = play.start()
        assert [one.id for one in claims] == [here]
        assert play.start(queue="other") == []
        play.end(*claims)

        assert play.started(queue="other") == [there]

    def test_a_look_lets_one_in_for_each(self, play):
        """Whichever queue is served first gets the slot; the other waits on."""
        held = play.start() if play.rows_of(1, concurrency_key="a") else []
        ids = {
            queue: play.rows_of(2, concurrency_key="a", queue=queue)[0] for queue in ("b", "c", "d")
        }
        for queue in ids:
            assert play.start(queue=queue) == []
        play.commit(play.say(held[0], gd.Done()))

        assert play.look(["a"]).queues == {"b", "c", "d"}
        assert play.started(queue="c") == [ids["c"]]
        assert play.started(queue="b") == []
        assert play.executing("a") == 1


class TestOutcomes:
    def test_next_changes_the_key(self, play):
        """A step may take its instance to another key; the one it held is free then."""
        first, second = play.rows_of(2, concurrency_key="a")
        (claim,) = play.start()
        play.end(claim, outcome=gd.Next("then", concurrency_key=("b", 1)))

        assert play.row(first).concurrency_key == "b:1"
        assert set(play.started()) == {first, second}

    def test_next_drops_the_key(self, play):
        """None takes it away."""
        first, second = play.rows_of(2, concurrency_key="a")
        (claim,) = play.start()
        play.end(claim, outcome=gd.Next("then", concurrency_key=None))

        assert play.row(first).concurrency_key is None
        assert set(play.started()) == {first, second}

    @pytest.mark.parametrize(
        "outcome",
        [
            gd.Next("then"),
            gd.Retry(),
            gd.Await("go", then="then"),
            gd.ScheduleChildren([Actor()], then="then"),
            gd.Stop("no"),
            gd.Done(),
        ],
    )
    def test_every_outcome_frees_the_slot_and_keeps_the_key(self, play, outcome):
        """A slot is held while a step executes, not while it is parked or waits for its turn."""
        ids = play.rows_of(2, concurrency_key="a")
        (claim,) = play.start()
        play.end(claim, outcome=outcome)

        row = play.row(ids[0])
        assert (row.concurrency_key, row.slot) == ("a", None)
        assert ids[1] in play.started() or play.executing("a") == 1

    def test_children_are_limited(self, play):
        """Children wait for their keys like anybody else."""
        play.actor()
        (claim,) = play.start()
        children = [gd.Spawn(Actor(), concurrency_key="a") for _ in range(3)]
        play.end(claim, outcome=gd.ScheduleChildren(children, then="then"))

        for _ in range(3):
            claims = play.start()
            assert [one.concurrency_key for one in claims] == ["a"]
            play.end(*claims)
        assert [one.step for one in play.start()] == ["then"]

    def test_a_whole_family_drains(self, durable):
        """A drain runs what waits for keys, whatever the number of rows."""
        SCRIPT.clear()
        durable.insert_all([gd.Spawn(Actor(), concurrency_key=f"k{n % 3}") for n in range(30)])

        assert drain(durable) == {"done": 30}

    def test_a_claim_given_back_frees_its_slot(self, play):
        """What was claimed and not started leaves no trace in its key."""
        ids = play.rows_of(2, concurrency_key="a")
        claims = play.start()
        with play.engine.begin() as conn:
            leases.release(conn, play.db, claims, "w", attempts=False)
        play.look({"a"})

        assert play.started() == ids[:1]

    def test_an_unknown_machine_frees_its_slot(self, play):
        """A row that nobody here knows is set aside and lets its siblings go on."""
        ids = play.rows_of(2, concurrency_key="a")
        play.change("UPDATE gendurable.instances SET fsm = 'gone' WHERE id = :id", id=ids[0])

        assert play.started() == ids[1:]
        assert play.waits(ids[0]) == ["unknown"]

    def test_an_unknown_machine_that_was_let_in(self, play):
        """It stood for all that wait; the next one does now."""
        ids = play.rows_of(3, concurrency_key="a")
        claims = play.start()
        play.change("UPDATE gendurable.instances SET fsm = 'gone' WHERE id = :id", id=ids[1])
        play.end(*claims)

        assert play.started() == ids[2:]

    def test_a_dead_worker_s_slot_is_free_again(self, play):
        """The reaper names the keys that have room now."""
        ids = play.rows_of(2, concurrency_key="a")
        play.start()
        play.expire(ids[0])
        reaped = play.reap()
        assert reaped.keys == {"a"}
        play.look(reaped.keys)

        assert play.started() == ids[1:]


class TestHands:
    def test_cancelling_what_waits(self, play):
        """A row that waits can be cancelled, and is not let in later."""
        ids = play.rows_of(3, concurrency_key="a")
        claims = play.start()
        play.durable.cancel(ids[1], "no")
        play.end(*claims)

        assert play.started() == ids[2:]

    @pytest.mark.parametrize("how", ["cancel", "reschedule", "queue", "pause"])
    def test_the_one_that_was_let_in_vanishes(self, play, how):
        """If who stands for all that wait is taken away, the hand that does so lets the next in."""
        ids = play.rows_of(3, concurrency_key="a")
        play.end(*play.start())
        if how == "cancel":
            play.durable.cancel(ids[1], "no")
        elif how == "reschedule":
            play.durable.reschedule(ids[1], delay=3600)
        elif how == "queue":
            play.durable.reschedule(ids[1], queue="other")
        else:
            play.durable.pause(ids[1])

        assert play.started() == ids[2:]

    def test_it_vanishes_and_nobody_looks(self, play):
        """If the hand dies before it has looked, or knows nothing of keys, the sweep does it."""
        ids = play.rows_of(3, concurrency_key="a")
        play.end(*play.start())
        play.change(
            "UPDATE gendurable.instances SET paused_at = statement_timestamp() WHERE id = :id",
            id=ids[1],
        )
        assert play.start() == []
        play.look(play.sweep())

        assert play.started() == ids[2:]

    def test_cancelling_what_executes(self, play):
        """Its slot is free at once, and who waited for it is let in."""
        ids = play.rows_of(2, concurrency_key="a")
        play.start()
        play.durable.cancel(ids[0], "no")

        assert play.started() == ids[1:]

    def test_rescheduling_what_waits(self, play):
        """A row moved to later is in nobody's way, and comes when it is due."""
        ids = play.rows_of(3, concurrency_key="a")
        claims = play.start()
        play.durable.reschedule(ids[1], delay=3600, priority=-5)
        play.end(*claims)
        claims = play.start()
        assert [one.id for one in claims] == ids[2:]
        play.durable.reschedule(ids[1], delay=0)
        assert play.start() == []
        play.end(*claims)

        assert play.started() == ids[1:2]

    def test_moving_what_waits_to_another_queue(self, play):
        """It is claimed from the queue that it was moved to."""
        ids = play.rows_of(2, concurrency_key="a")
        claims = play.start()
        play.durable.reschedule(ids[1], queue="other")
        play.end(*claims)

        assert play.start() == []
        assert play.started(queue="other") == ids[1:]

    def test_what_is_set_aside_stays_so(self, play):
        """A new time does not make an unknown machine known."""
        (id,) = play.rows_of(1, concurrency_key="a")
        play.change("UPDATE gendurable.instances SET fsm = 'gone'")
        play.start()
        play.durable.reschedule(id, priority=3)

        assert play.waits(id) == ["unknown"]

    def test_retry_waits_for_the_key_again(self, play):
        """What is put back has no slot until it is claimed."""
        ids = play.rows_of(2, concurrency_key="a")
        (claim,) = play.start()
        play.end(claim, outcome=gd.Stop("no"))
        (claim,) = play.start()
        play.durable.retry(ids[0])
        assert play.start() == []
        play.end(claim)

        assert play.started() == ids[:1]

    def test_a_signal_wakes_into_the_line(self, play):
        """Who is woken waits like anybody else."""
        ids = play.rows_of(2, concurrency_key="a")
        (claim,) = play.start()
        play.end(claim, outcome=gd.Await("go", then="then"))
        (claim,) = play.start()
        play.durable.signal(ids[0], "go")
        assert play.start() == []
        play.end(claim)

        assert play.started() == ids[:1]

    def test_a_paused_row_is_not_let_in(self, play):
        """Who is paused waits for more than the key, and does not hold up who comes after."""
        ids = play.rows_of(3, concurrency_key="a")
        claims = play.start()
        play.change(
            "UPDATE gendurable.instances SET paused_at = statement_timestamp() WHERE id = :id",
            id=ids[1],
        )
        play.end(*claims)

        assert play.started() == ids[2:]


class TestEvents:
    def test_who_waits_for_a_key_is_told_of(self, play):
        """How many rows were found behind a full key."""
        heard: list[dict] = []
        listener = events.concurrency_throttled.connect(lambda sender, **f: heard.append(f))
        play.rows_of(5, concurrency_key="a")
        play.start()

        assert listener
        assert heard == [{"binding": "default", "count": 4, "key": "a"}]
