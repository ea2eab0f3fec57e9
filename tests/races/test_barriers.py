"""A parent is released once, when its children have ended, however their ends interleave."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

import gendurable as gd
from gendurable.errors import DuplicateInstance, NoTarget
from tests.races.play import SCRIPT, Actor

DONE = gd.Done()


class TestEndsAtOnce:
    def test_of_two_children_in_two_connections(self, play, conn):
        """The second of two ends comes back later instead of waiting, and releases the parent."""
        id, claims = play.family(2)
        first, second = (play.say(claim, DONE) for claim in claims)
        with conn.begin():
            assert play.commit(first, conn=conn).ids == [claims[0].id]
            assert play.group(second).parent_skipped == [second]

        assert play.behind_parents(second).woken == {"default"}
        row = play.row(id)
        assert (row.status, row.children_pending, row.children_done) == ("runnable", 0, 2)

    def test_the_second_try_waits_for_the_parent(self, play, conn, meanwhile, eventually):
        """The second try waits for the parent, for no longer than its patience."""
        id, claims = play.family(2)
        first, second = (play.say(claim, DONE) for claim in claims)
        with conn.begin():
            play.commit(first, conn=conn)
            assert meanwhile(play.behind_parents, second).result(5).parent_skipped == [second]
            waiting = meanwhile(play.behind_parents, second)
            eventually(lambda: play.rows(WAITING) or waiting.done())
        answer = waiting.result(5)
        if answer.parent_skipped:
            answer = play.behind_parents(second)

        assert answer.ids == [claims[1].id]
        assert play.row(id).status == "runnable"

    def test_in_the_sessions_of_their_steps(self, play, conn, other, meanwhile, blocked):
        """Steps that commit in their own sessions wait for each other at the parent."""
        id, claims = play.family(2)
        first, second = (play.say(claim, DONE) for claim in claims)
        with conn.begin():
            play.commit(first, conn=conn, wait=True)
            with other.begin():
                waiting = meanwhile(play.commit, second, conn=other, wait=True)
                blocked(other)
                conn.commit()
                assert waiting.result(10).woken == {"default"}

        assert play.row(id).status == "runnable"

    def test_in_one_batch(self, play):
        """Children that end in one batch cost their parent one update."""
        id, claims = play.family(50)
        play.commit(*(play.say(claim, DONE) for claim in claims))

        row = play.row(id)
        assert (row.status, row.children_done) == ("runnable", 50)

    def test_of_parent_and_child_in_one_batch(self, play, elapse_all):
        """A child that ends with the parent that no longer waits for it counts for nothing."""
        id, (claim,) = play.family(1, timeout=5)
        elapse_all(6)
        play.fire()
        parent = play.one()
        play.commit(play.say(claim, DONE), play.say(parent, gd.Next("then")))

        row = play.row(id)
        assert (row.status, row.children_done) == ("runnable", 0)


WAITING = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


class TestParentChanges:
    def test_cancelled_while_a_child_ends(self, play, conn, other, meanwhile, blocked):
        """A cancel waits for the end in progress; the parent that it released is cancelled then."""
        id, (claim,) = play.family(1)
        with conn.begin():
            play.commit(play.say(claim, DONE), conn=conn)
            cancelled = meanwhile(play.durable.cancel, id, "no more", session=other)
            blocked(other)
        assert cancelled.result(10) is True
        other.commit()

        assert play.row(id).status == "cancelled"
        assert play.row(id).ended_from == "runnable"

    def test_a_child_ends_while_it_is_cancelled(self, play, other):
        """A child whose parent is being cancelled commits afterwards, and counts for nothing."""
        id, (claim,) = play.family(1)
        end = play.say(claim, DONE)
        play.durable.cancel(id, "no more", session=other)
        assert play.group(end).parent_skipped == [end]
        other.commit()

        assert play.behind_parents(end).ids == [claim.id]
        assert play.row(id).status == "cancelled"

    def test_retried_while_a_child_ends(self, play, other):
        """A barrier that is taken up again counts what ended meanwhile, whoever is first."""
        id, claims = play.family(2)
        first, second = (play.say(claim, DONE) for claim in claims)
        play.durable.cancel(id, "a mistake")
        play.commit(first)
        play.durable.retry(id, session=other)
        assert play.group(second).parent_skipped == [second]
        other.commit()
        assert (play.row(id).status, play.row(id).children_pending) == ("awaiting_children", 1)

        assert play.behind_parents(second).woken == {"default"}

    def test_retried_after_all_have_ended(self, play):
        """A parent whose children have all ended meanwhile goes straight on."""
        id, (claim,) = play.family(1)
        play.durable.cancel(id, "a mistake")
        play.commit(play.say(claim, DONE))
        play.durable.retry(id)

        assert play.row(id).status == "runnable"

    @pytest.mark.parametrize("quorum", [1, 3])
    def test_retried_when_its_quorum_is_decided(self, play, quorum):
        """A quorum that was decided while its parent was cancelled is no reason to wait."""
        id, claims = play.family(3, quorum=quorum)
        play.durable.cancel(id, "a mistake")
        play.commit(play.say(claims[0], DONE if quorum == 1 else gd.Stop("no")))
        play.durable.retry(id)

        assert play.row(id).status == "runnable"

    def test_a_child_of_an_earlier_round(self, play, elapse_all):
        """What is left of an earlier round counts for nothing in the next one."""
        id, (old,) = play.family(1, timeout=5)
        elapse_all(6)
        play.fire()
        play.step(gd.ScheduleChildren([Actor()], then="then"))
        (new,) = play.claim()

        play.commit(play.say(old, DONE))
        assert (play.row(id).status, play.row(id).children_pending) == ("awaiting_children", 1)
        play.commit(play.say(new, DONE))
        assert play.row(id).status == "runnable"

    def test_a_child_retried_while_its_round_waits(self, play):
        """A child that is put back counts again, and once."""
        id, (one, two) = play.family(2)
        play.commit(play.say(one, gd.Stop("no")))
        play.durable.retry(one.id)
        assert play.row(id).children_pending == 2

        play.commit(play.say(two, DONE), play.say(play.one(), DONE))
        assert (play.row(id).status, play.row(id).children_done) == ("runnable", 2)

    def test_a_child_retried_after_its_round(self, play):
        """A child that is put back after its parent went on holds up nobody."""
        id, (one,) = play.family(1)
        play.commit(play.say(one, gd.Stop("no")))
        play.durable.retry(one.id)

        assert (play.row(id).status, play.row(id).children_pending) == ("runnable", 0)


class TestTimeouts:
    def test_against_the_last_end(self, play, conn, elapse_all):
        """The deadline passes over a parent that its last child is releasing."""
        id, (claim,) = play.family(1, timeout=5)
        elapse_all(6)
        with conn.begin():
            play.commit(play.say(claim, DONE), conn=conn)
            assert play.fire().count == 0

        assert play.fire().count == 0
        row = play.row(id)
        assert (row.status, row.timed_out, row.children_done) == ("runnable", False, 1)

    def test_that_is_first(self, play, conn, elapse_all):
        """An end that comes after the timeout finds a parent that waits no longer."""
        id, (claim,) = play.family(1, timeout=5)
        end = play.say(claim, DONE)
        elapse_all(6)
        with conn.begin():
            assert play.fire(conn).count == 1
            assert play.group(end).parent_skipped == [end]

        assert play.behind_parents(end).ids == [claim.id]
        row = play.row(id)
        assert (row.status, row.timed_out, row.children_done) == ("runnable", True, 0)


class TestQuorum:
    def test_is_met(self, play):
        """So many good ends release the parent; later ones count for nothing."""
        id, claims = play.family(3, quorum=2)
        play.commit(play.say(claims[0], DONE))
        assert play.row(id).status == "awaiting_children"
        play.commit(play.say(claims[1], DONE))
        assert play.row(id).status == "runnable"
        play.commit(play.say(claims[2], DONE))
        assert play.row(id).children_done == 2

    def test_is_out_of_reach(self, play):
        """The parent does not wait for what can no longer happen."""
        id, claims = play.family(3, quorum=2)
        play.commit(play.say(claims[0], gd.Stop("no")))
        assert play.row(id).status == "awaiting_children"
        play.commit(play.say(claims[1], gd.Stop("no")))
        assert play.row(id).status == "runnable"

    def test_is_met_by_two_at_once(self, play, conn):
        """Two ends in two connections that together make the quorum release the parent."""
        id, claims = play.family(3, quorum=2)
        first, second = (play.say(claim, DONE) for claim in claims[:2])
        with conn.begin():
            play.commit(first, conn=conn)
            assert play.group(second).parent_skipped == [second]
        play.behind_parents(second)

        assert (play.row(id).status, play.row(id).children_done) == ("runnable", 2)

    def test_above_the_number_of_children(self, play):
        """A quorum that the inserted children cannot reach is no wait."""
        id = play.actor()
        claim = play.one()
        play.commit(play.say(claim, gd.ScheduleChildren([Actor()], then="then", quorum=2)))

        assert play.row(id).status == "runnable"

    def test_of_none(self, play):
        """A fan-out whose children are all duplicates goes straight on."""
        play.actor(correlation_key="k", delay=3600)
        id = play.actor()
        children = [gd.Spawn(Actor(), correlation_key="k")]
        play.step(gd.ScheduleChildren(children, then="then", timeout=60))

        row = play.row(id)
        assert (row.status, row.deadline, row.step) == ("runnable", None, "then")


class TestCascade:
    def test_against_a_fan_out_in_progress(self, play, conn, other, meanwhile, blocked):
        """Children that are being born while their parent is cancelled do not escape."""
        id = play.actor()
        fan_out = play.say(play.one(), gd.ScheduleChildren([Actor(), Actor()], then="then"))
        with conn.begin():
            play.commit(fan_out, conn=conn)
            cancelled = meanwhile(play.durable.cancel, id, "no more", True, session=other)
            blocked(other)
        assert cancelled.result(10) is True
        other.commit()

        assert {row.status for row in play.rows("SELECT status FROM gendurable.instances")} == {
            "cancelled"
        }

    def test_against_a_fan_out_of_a_child(self, play, conn, other, meanwhile, blocked):
        """Nor do the grandchildren that a child is giving birth to."""
        id, (child,) = play.family(1)
        fan_out = play.say(child, gd.ScheduleChildren([Actor(), Actor()], then="then"))
        with conn.begin():
            play.commit(fan_out, conn=conn)
            cancelled = meanwhile(play.durable.cancel, id, "no more", True, session=other)
            blocked(other)
        cancelled.result(10)
        other.commit()

        rows = play.rows("SELECT status FROM gendurable.instances")
        assert [row.status for row in rows] == ["cancelled"] * 4

    def test_that_is_first(self, play, other):
        """A fan-out that comes after the cancel is stale, and gives birth to nobody."""
        id = play.actor()
        fan_out = play.say(play.one(), gd.ScheduleChildren([Actor()], then="then"))
        play.durable.cancel(id, "no more", True, session=other)
        assert play.group(fan_out).skipped == [fan_out]
        other.commit()

        assert play.group(fan_out).stale == [fan_out]
        assert len(play.rows("SELECT 1 FROM gendurable.instances")) == 1

    def test_children_from_outside(self, play, conn, other, meanwhile, blocked):
        """Children added from outside while their parent is cancelled are refused."""
        id, _ = play.family(1)
        with conn.begin():
            play.durable.cancel(id, "no more", True, session=conn)
            added = meanwhile(play.durable.schedule_children, id, [Actor()], session=other)
            blocked(other)
        with pytest.raises(NoTarget):
            added.result(10)
        other.rollback()

    def test_children_from_outside_join_the_round(self, play, conn, meanwhile):
        """Children added while the last one ends are either waited for or find the parent awake."""
        id, (claim,) = play.family(1)
        end = play.say(claim, DONE)
        with conn.begin():
            play.durable.schedule_children(id, [Actor()], session=conn)
            assert play.group(end).parent_skipped == [end]
        play.behind_parents(end)
        assert (play.row(id).status, play.row(id).children_pending) == ("awaiting_children", 1)

        play.step(DONE)
        assert play.row(id).status == "runnable"


class TestKeys:
    def test_a_retry_whose_key_was_taken(self, play):
        """An instance whose key has a new holder cannot be put back, and harms no transaction."""
        id = play.actor(correlation_key="k")
        play.durable.cancel(id, "a mistake")
        holder = play.actor(correlation_key="k")

        with play.engine.begin() as conn:
            with pytest.raises(DuplicateInstance) as caught:
                play.durable.retry(id, session=conn)
            conn.exec_driver_sql("SELECT 1")
        assert caught.value.id == holder

    def test_a_live_row_never_leaves_the_scope_of_its_key(self, play):
        """Whatever a live instance goes through, its key stays its own."""
        id = play.actor(correlation_key="k")
        steps = [gd.Next("then"), gd.Retry(), gd.Await("go", then="then")]
        for outcome in steps:
            play.step(outcome)
            assert play.durable.insert(Actor(), correlation_key="k", if_exists="return").id == id
        play.durable.signal("k", "go")
        play.expire(play.one().id)
        play.reap()
        assert play.row(id).correlation_guard == "k"

    def test_the_table_knows_no_other_scope(self, play):
        """A scope that could be left and entered again is refused by the table itself."""
        id = play.actor()
        with pytest.raises(IntegrityError):
            play.change(
                "UPDATE gendurable.instances SET correlation_key = 'k',"
                " correlation_scope = 'runnable' WHERE id = :id",
                id=id,
            )


class TestManyChildren:
    @pytest.mark.slow
    def test_twenty_thousand(self, play):
        """A fan-out of 20,000 children is born and ends; no statement knows a ceiling."""
        id = play.actor()
        SCRIPT["start"] = lambda obj, ctx: gd.ScheduleChildren(
            [Actor() for _ in range(20_000)], then="then"
        )
        play.step()
        assert play.row(id).children_pending == 20_000
        claims = play.claim(demand=30_000)
        assert len(claims) == 20_000
        play.commit(*(play.say(claim, DONE) for claim in claims))

        assert (play.row(id).status, play.row(id).children_done) == ("runnable", 20_000)
