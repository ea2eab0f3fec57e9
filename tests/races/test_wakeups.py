"""A delivery and a parking may interleave as they like: the instance ends up running."""

from __future__ import annotations

import pytest

import gendurable as gd
from gendurable.errors import NoTarget
from gendurable.queries import signals
from tests.races.play import SCRIPT, Actor

AWAIT = gd.Await("go", then="then")


class TestLostWakeup:
    def test_parked_first(self, play, conn, other, meanwhile, blocked):
        """A delivery waits for a park in progress, then sees that its target is parked."""
        id = play.actor()
        parking = play.say(play.one(), AWAIT)
        with conn.begin():
            play.commit(parking, conn=conn)
            delivered = meanwhile(play.durable.signal, id, "go", session=other)
            blocked(other)
        assert delivered.result(10) is True
        other.commit()

        assert play.row(id).status == "runnable"
        assert play.one().signals.names == {"go"}

    def test_delivered_first(self, play, conn, other, meanwhile, blocked):
        """A park in a step's own session waits for a delivery in progress and finds its mail."""
        id = play.actor()
        parking = play.say(play.one(), AWAIT)
        play.durable.signal(id, "go", session=other)
        with conn.begin():
            parked = meanwhile(play.commit, parking, conn=conn, wait=True)
            blocked(conn)
            other.commit()
            assert parked.result(10).woken == {"default"}

        assert play.row(id).status == "runnable"

    def test_delivered_first_to_a_group_commit(self, play, other):
        """A group commit passes over the row that a delivery holds, and finds the mail later."""
        id = play.actor()
        parking = play.say(play.one(), AWAIT)
        play.durable.signal(id, "go", session=other)

        assert play.group(parking).skipped == [parking]
        other.commit()

        assert play.group(parking).woken == {"default"}
        assert play.row(id).status == "runnable"

    def test_mail_that_came_before_the_first_park(self, play):
        """A signal that came while the step ran is found when it parks."""
        id = play.actor()
        parking = play.say(play.one(), AWAIT)
        play.durable.signal(id, "go")

        assert play.commit(parking).woken == {"default"}
        assert play.row(id).deadline is None

    def test_a_rolled_back_delivery_leaves_no_trace(self, play, other):
        """A delivery that is rolled back wakes nobody."""
        id = play.parked()
        play.durable.signal(id, "go", session=other)
        other.rollback()

        assert play.row(id).status == "awaiting_signal"
        assert play.mail(id) == []

    def test_another_name_wakes_nobody(self, play):
        """A signal that is not waited for lies in the inbox."""
        id = play.parked()
        play.durable.signal(id, "other")

        assert play.row(id).status == "awaiting_signal"
        assert [name for _, name in play.mail(id)] == ["other"]

    def test_the_deadline_against_the_signal(self, play, conn, other, elapse_all):
        """Who locks the row first wakes it; the other finds it awake."""
        id = play.actor()
        play.step(gd.Await("go", then="then", timeout=10))
        elapse_all(11)
        play.durable.signal(id, "go", session=other)
        with conn.begin():
            assert play.fire(conn).count == 0
        other.commit()

        assert play.fire().count == 0
        assert play.row(id).timed_out is False

    def test_the_signal_against_the_deadline(
        self, play, conn, other, meanwhile, blocked, elapse_all
    ):
        """A signal that waits for a deadline is stored, and the timeout is what woke the row."""
        id = play.actor()
        play.step(gd.Await("go", then="then", timeout=10))
        elapse_all(11)
        with conn.begin():
            assert play.fire(conn).count == 1
            delivered = meanwhile(play.durable.signal, id, "go", session=other)
            blocked(other)
        assert delivered.result(10) is True
        other.commit()

        claim = play.one()
        assert (claim.timed_out, claim.signals.names) == (True, {"go"})


class TestSpin:
    def test_gathering_does_not_spin(self, play):
        """A step that awaits again runs once for each signal, not for those it was shown."""
        id = play.parked(["a", "b"])
        SCRIPT["then"] = lambda obj, ctx: (
            gd.Done() if len(ctx.awaited) == 2 else gd.Await(["a", "b"], then="then")
        )
        play.durable.signal(id, "a")
        assert play.step().woken == set()
        play.unheeded = str(play.mail(id)[0][0])
        assert play.claim() == []

        play.durable.signal(id, "b")
        play.step()
        assert play.row(id).status == "done"

    def test_ids_that_commit_out_of_order(self, play, conn):
        """Mail with a smaller id than what the step was shown wakes it all the same."""
        id = play.actor()
        with conn.begin():  # the id is drawn, the signal not yet visible
            early = conn.exec_driver_sql("SELECT nextval('gendurable.signals_id_seq')").scalar_one()
        claim = play.one()
        play.commit(play.say(claim, gd.Await("go", then="then")))
        play.durable.signal(id, "go")
        shown = play.one()
        assert shown.signals[0].id > early
        play.change(
            "INSERT INTO gendurable.signals (id, target_id, name) OVERRIDING SYSTEM VALUE"
            " VALUES (:id, :target, 'go')",
            id=early,
            target=id,
        )

        assert play.commit(play.say(shown, AWAIT)).woken == {"default"}

    def test_what_was_only_seen_wakes(self, play):
        """What lies in the inbox without having been waited for is news to the first park."""
        id = play.actor()
        play.durable.signal(id, "go")
        seen = []
        SCRIPT["start"] = lambda obj, ctx: seen.append(ctx.signals.names) or AWAIT

        assert play.step().woken == {"default"}
        assert seen == [{"go"}]

    def test_an_await_of_the_handler_does_not_spin(self, play):
        """What the failed step was given counts as given to the handler."""
        id = play.parked()

        def fail(obj, ctx):
            raise ValueError("a bad signal")

        SCRIPT["then"] = fail
        SCRIPT["handle"] = lambda error, ctx: gd.Await("go", then="then")
        play.durable.signal(id, "go", "bad")

        assert play.step().woken == set()
        assert play.row(id).status == "awaiting_signal"
        play.unheeded = str(play.mail(id)[0][0])

    def test_a_consuming_await_leaves_nothing_to_spin_on(self, play):
        """``consume=True`` takes what the step was given, and only a new signal wakes it."""
        id = play.parked()
        play.durable.signal(id, "go")

        assert play.step(gd.Await("go", then="then", consume=True)).woken == set()
        assert play.mail(id) == []

    def test_what_came_after_the_claim_is_not_consumed(self, play):
        """An outcome consumes by id, not by name."""
        id = play.parked()
        play.durable.signal(id, "go", 1)
        claim = play.one()
        play.durable.signal(id, "go", 2)

        play.commit(play.say(claim, gd.Next("then")))

        assert len(play.mail(id)) == 1


class TestDyingTarget:
    def test_a_signal_to_an_instance_that_ends(self, play, conn, other, meanwhile, blocked):
        """A signal that races the end of its target is refused, never accepted and lost."""
        id = play.actor()
        ending = play.say(play.one(), gd.Done())
        with conn.begin():
            play.commit(ending, conn=conn)
            delivered = meanwhile(play.durable.signal, id, "go", session=other)
            blocked(other)
        with pytest.raises(NoTarget):
            delivered.result(10)
        other.rollback()

    def test_by_key_it_reaches_the_new_holder(self, play, conn, other, meanwhile, blocked):
        """The key that a dying instance leaves may have a new holder: that one gets the signal."""
        play.actor(correlation_key="k")
        ending = play.say(play.one(), gd.Done())
        with conn.begin():
            play.commit(ending, conn=conn)
            heir = int(play.durable.insert(Actor(), correlation_key="k", session=conn))
            delivered = meanwhile(play.durable.signal, "k", "go", session=other)
            blocked(other)
        assert delivered.result(10) is True
        other.commit()

        assert [name for _, name in play.mail(heir)] == ["go"]

    def test_a_delivery_that_is_first_is_seen(self, play, other):
        """An end that finds its row held by a delivery waits, and takes the signal along."""
        id = play.actor()
        ending = play.say(play.one(), gd.Done())
        play.durable.signal(id, "go", session=other)
        assert play.group(ending).skipped == [ending]
        other.commit()

        play.group(ending)

        assert play.row(id).status == "done"
        assert play.mail(id) == []

    def test_signals_of_a_failed_one_are_kept_for_a_retry(self, play):
        """``Stop`` sets the inbox aside, and ``retry`` finds it again."""
        id = play.parked()
        play.durable.signal(id, "go")
        play.step(gd.Stop("no"))
        with pytest.raises(NoTarget):
            play.durable.signal(id, "go")

        play.durable.retry(id)

        assert play.one().signals.names == {"go"}


class TestConstraintOnTheSnapshot:
    def test_a_delivery_to_a_row_that_parks_meanwhile(self, play, conn, other, meanwhile, blocked):
        """No CHECK fires on the version that the delivery's snapshot showed.

        PostgreSQL checks the projection of the snapshot's version before it reads the locked one:
        a row seen executing, with owner and lease, is woken from its park.
        """
        id = play.actor()
        parking = play.say(play.one(), gd.Await("go", then="then", timeout=60))
        with conn.begin():
            play.commit(parking, conn=conn)
            delivered = meanwhile(play.durable.signal, id, "go", session=other)
            blocked(other)
        assert delivered.result(10) is True
        other.commit()

        row = play.row(id)
        assert (row.status, row.deadline, row.locked_by) == ("runnable", None, None)

    def test_a_delivery_to_a_row_that_its_children_release(
        self, play, conn, other, meanwhile, blocked
    ):
        """A row seen waiting for children may by then be waiting for the signal."""
        id, claims = play.family(1)
        ending = play.say(claims[0], gd.Done())
        with conn.begin():
            play.commit(ending, conn=conn)
            (parent,) = play.claim(conn)
            play.commit(play.say(parent, AWAIT), conn=conn)
            delivered = meanwhile(play.durable.signal, id, "go", session=other)
            blocked(other)
        assert delivered.result(10) is True
        other.commit()

        assert play.row(id).status == "runnable"

    def test_a_claim_of_a_row_that_moved_since_its_snapshot(self, play, conn, meanwhile, blocked):
        """A claim re-reads a row under the lock, whatever versions it went through since."""
        id = play.actor()
        with conn.begin():
            with play.gate():
                claimed = meanwhile(play.gated_claim, conn)
                blocked(conn)
                claim = play.one("rival")
                park = play.say(claim, gd.Await("go", then="then", timeout=5))
                play.commit(park, worker="rival")
                play.durable.signal(id, "go")
                play.change(
                    "UPDATE gendurable.instances SET eligible_at = eligible_at - interval '1 hour'"
                )
            assert claimed.result(10) == [id]

        assert play.row(id).status == "executing"


class TestDedup:
    def test_another_name_with_the_same_key_is_another_signal(self, play):
        """A key is remembered for its name alone."""
        id = play.parked("b")
        assert play.durable.signal(id, "a", dedup_key="1") is True
        assert play.row(id).status == "awaiting_signal"

        assert play.durable.signal(id, "b", dedup_key="1") is True
        assert play.one().signals.names == {"a", "b"}

    def test_a_consumed_signal_is_remembered(self, play):
        """A delivery repeated after its consumption is still a repetition."""
        id = play.parked()
        play.durable.signal(id, "go", dedup_key="1")
        play.step(gd.Await("go", then="then", consume=True))

        assert play.durable.signal(id, "go", dedup_key="1") is False
        assert play.row(id).status == "awaiting_signal"
        assert play.mail(id) == []

    def test_a_repetition_wakes_nobody(self, play):
        """A repetition of what was shown to the step does not wake it from its next park."""
        id = play.parked()
        play.durable.signal(id, "go", dedup_key="1")
        play.step(AWAIT)
        play.unheeded = str(play.mail(id)[0][0])

        assert play.durable.signal(id, "go", dedup_key="1") is False
        assert play.row(id).status == "awaiting_signal"

    def test_two_deliveries_at_once(self, play, conn, other, meanwhile, blocked):
        """Of two simultaneous deliveries with one key one is stored."""
        id = play.parked("later")
        assert play.durable.signal(id, "go", dedup_key="1", session=conn) is True
        second = meanwhile(play.durable.signal, id, "go", dedup_key="1", session=other)
        blocked(other)
        conn.commit()

        assert second.result(10) is False
        other.commit()
        assert len(play.mail(id)) == 1


PAYLOADS = [None, True, False, 0, -1.5, 10**40, "", "text", "\u2028'\"\\", [], [1, [None]], {}]


class TestPayloads:
    def test_every_kind_of_json(self, play):
        """A payload is any JSON value, and comes back as it went in."""
        id = play.parked("none")
        for payload in [*PAYLOADS, {"deep": PAYLOADS}]:
            play.durable.signal(id, "go", payload)
        play.durable.signal(id, "none")

        (claim,) = play.claim()

        assert [one.payload for one in claim.signals][:-1] == [*PAYLOADS, {"deep": PAYLOADS}]

    def test_what_others_have_written(self, play):
        """A payload that is SQL NULL does not harm the claim of its neighbours."""
        id, innocent = play.actor(), play.actor()
        play.change("INSERT INTO gendurable.signals (target_id, name) VALUES (:id, 'x')", id=id)

        assert [claim.id for claim in play.claim()] == [id, innocent]

    def test_a_batch_with_a_null(self, conn, play):
        """JSON null is a payload like any other."""
        id = play.actor()
        with conn.begin():
            assert signals.deliver(conn, play.db, id, "x", "null", None) == (True, None)
