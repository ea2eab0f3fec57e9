"""Running ahead: the commit of an outcome claims the row anew; all else stays as it is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

import gendurable as gd
from gendurable import events
from gendurable.engine import leases
from tests.races.play import SCRIPT, Actor


class Hasty(gd.FSM, name="ahead.Hasty", run_ahead=2):
    """A machine that runs two steps ahead, no more."""

    n: int = 0

    @gd.step(initial=True)
    def go(self, ctx: gd.Context) -> gd.Outcome:
        self.n += 1
        return gd.Done(self.n) if self.n == 6 else gd.Next(self.go)


class Timed(gd.FSM, name="ahead.Timed", run_ahead=timedelta(hours=1)):
    """A machine that runs ahead for an hour."""

    @gd.step(initial=True)
    def go(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Next(self.go)


class Never(gd.FSM, name="ahead.Never", run_ahead=0):
    """A machine that never runs ahead."""

    @gd.step(initial=True)
    def go(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Next(self.go)


def ahead(play, claim, outcome):
    """Commit *outcome* as a worker does; return the claim that the commit made, if any."""
    done = play.commit(play.say(claim, outcome), ttl=30)
    return done.ahead[0] if done.ahead else None


class TestTheCommitClaims:
    def test_the_row_is_ours_under_a_new_number(self, play):
        """The row executes its next step for the same worker; the old claim is worth nothing."""
        id = play.actor()
        old = play.one()
        new = ahead(play, old, gd.Next("then"))

        row = play.row(id)
        assert (row.status, row.step, row.locked_by) == ("executing", "then", "w")
        assert (row.claim_seq, row.visit, row.attempt) == (old.claim_seq + 1, old.visit + 1, 0)
        assert (new.claim_seq, new.visit, new.step) == (row.claim_seq, row.visit, "then")
        assert row.lease_expires_at > row.updated_at
        assert play.commit(play.say(old, gd.Done())).stale
        assert not play.commit(play.say(new, gd.Done())).stale
        assert play.row(id).status == "done"

    def test_its_state_is_what_the_step_left(self, play):
        """What the next step finds is what was committed."""
        SCRIPT["start"] = lambda obj, ctx: setattr(obj, "note", "left") or gd.Next("then")
        SCRIPT["then"] = lambda obj, ctx: gd.Done([obj.note, ctx.step, ctx.attempt])
        id = play.actor()
        new = play.commit(play.run(play.one()), ttl=30).ahead[0]
        play.commit(play.run(new))

        assert play.row(id).result == ["left", "then", 0]

    def test_not_out_of_the_queue_that_it_was_moved_to(self, play):
        """An operator who moves it to another queue means the next step: others run that."""
        id = play.actor()
        claim = play.one()
        play.durable.reschedule(id, queue="elsewhere")

        assert ahead(play, claim, gd.Next("then")) is None
        assert (play.row(id).status, play.row(id).queue) == ("runnable", "elsewhere")

    def test_nobody_else_gets_it_meanwhile(self, play, conn):
        """There is no moment in which the row is runnable."""
        play.actor()
        claim = play.one()
        with conn.begin():
            play.commit(play.say(claim, gd.Next("then")), conn=conn, ttl=30)
            assert play.claim(worker="thief") == []
        assert play.claim(worker="thief") == []

    def test_the_inbox_is_as_of_the_commit(self, play):
        """A signal that came while the former step ran is seen by the next one."""
        id = play.actor()
        claim = play.one()
        play.durable.signal(id, "news", 1)
        new = ahead(play, claim, gd.Next("then"))

        assert new.signals.names == {"news"}

    def test_consumed_signals_are_gone(self, play):
        """What the step had awaited is consumed by the same commit."""
        id = play.parked("go")
        play.durable.signal(id, "go")
        new = ahead(play, play.one(), gd.Next("start"))

        assert list(new.signals) == []
        assert play.mail(id) == []

    def test_a_rollback_leaves_nothing(self, play, conn):
        """The claim stands and falls with the outcome."""
        id = play.actor()
        claim = play.one()
        with conn.begin() as transaction:
            play.commit(play.say(claim, gd.Next("then")), conn=conn, ttl=30)
            transaction.rollback()

        assert play.row(id).claim_seq == claim.claim_seq
        assert not play.commit(play.say(claim, gd.Next("then"))).stale


class TestWhoDoesNot:
    @pytest.mark.parametrize(
        "outcome",
        [
            gd.Next("then", delay=1),
            gd.Next("then", queue="other"),
            gd.Next("then", priority=5),
            gd.Next("then", concurrency_key="key"),
            gd.Next("then", rate_limit="rate"),
            gd.Next("then", run_ahead=False),
            gd.Retry(0),
            gd.Await("go", then="then"),
        ],
        ids=repr,
    )
    def test_takes_its_turn(self, play, outcome):
        """What this worker could not claim now, or was told not to, goes through the queue."""
        id = play.actor()
        assert ahead(play, play.one(), outcome) is None
        assert play.row(id).locked_by is None

    def test_whoever_holds_a_key(self, play):
        """Others may wait for it; the claim judges who is next."""
        play.actor(concurrency_key="key")
        assert ahead(play, play.one(), gd.Next("then", run_ahead=True)) is None

    def test_a_row_that_was_paused(self, play):
        """A pause during the step is obeyed before the next one."""
        id = play.actor()
        claim = play.one()
        play.change(f"UPDATE gendurable.instances SET paused_at = updated_at WHERE id = {id}")

        assert ahead(play, claim, gd.Next("then")) is None
        assert play.row(id).status == "runnable"

    def test_a_row_of_a_queue_that_was_paused(self, play):
        """So is a pause of its queue."""
        id = play.actor()
        claim = play.one()
        play.durable.pause(queue="default")

        assert ahead(play, claim, gd.Next("then")) is None
        assert play.row(id).status == "runnable"

    def test_a_worker_that_drains(self, play):
        """Without the length of a lease nothing is claimed."""
        play.actor()
        assert not play.commit(play.say(play.one(), gd.Next("then"))).ahead


class TestBound:
    def test_so_many_steps(self, play):
        """After as many steps as the class allows, the row goes back to its queue."""
        id = int(play.durable.insert(Hasty()))
        claim = play.one()
        for _ in range(2):
            (claim,) = play.commit(play.run(claim), ttl=30).ahead
        assert not play.commit(play.run(claim), ttl=30).ahead
        assert play.row(id).status == "runnable"
        assert play.commit(play.run(play.one()), ttl=30).ahead, "the count begins anew"

    def test_so_much_time(self, play, monkeypatch):
        """A bound in time counts from the claim."""
        play.durable.insert(Timed())
        (claim,) = play.commit(play.run(play.one()), ttl=30).ahead
        claim.since -= 3601
        assert not play.commit(play.run(claim), ttl=30).ahead

    def test_never(self, play):
        """Zero forbids it, and a single outcome may ask for it all the same."""
        play.durable.insert(Never())
        claim = play.one()
        assert not play.commit(play.run(claim), ttl=30).ahead
        assert ahead(play, play.one(), gd.Next("go", run_ahead=True))


class TestDeath:
    def test_the_worker_dies_with_the_new_claim(self, play):
        """What was committed stays; the next step runs again, one attempt older."""
        id = play.actor()
        ahead(play, play.one(), gd.Next("then"))
        play.expire(id)
        play.reap()

        row = play.row(id)
        assert (row.status, row.step, row.attempt) == ("runnable", "then", 1)

    def test_the_answer_to_the_commit_is_lost(self, play):
        """The row bears the worker's name under a number that nobody holds: it goes back."""
        id = play.actor()
        ahead(play, play.one(), gd.Next("then"))
        with play.engine.begin() as conn:
            assert leases.strays(conn, play.db, "w", held=set()).queues == {"default"}

        assert play.row(id).status == "runnable"

    def test_the_answer_to_the_commit_is_under_way(self, play):
        """While an older claim is held, the row may be its: nobody gives it back, or forgets it."""
        id = play.actor()
        first = play.one()
        ahead(play, first, gd.Next("then"))
        with play.engine.begin() as conn:
            answer = leases.strays(conn, play.db, "w", {(id, first.claim_seq)})
            assert (answer.queues, answer.skipped) == (set(), {(id, 2)})
            answer = leases.strays(conn, play.db, "w", {(id, 2)})
            assert (answer.queues, answer.skipped) == (set(), set())

        assert play.row(id).status == "executing"

    def test_in_a_session_of_the_step(self, play):
        """A retried commit that had gone through finds the row no longer its own."""
        play.actor()
        claim = play.one()
        ahead(play, claim, gd.Next("then"))
        SCRIPT["start"] = lambda obj, ctx: ctx.session.execute(text("SELECT 1")) and gd.Done()

        assert play.run(claim).committed.stale


class TestInAWorker:
    def test_a_chain_is_one_claim(self, durable):
        """A machine of ten steps is claimed once, and its steps run in their order."""
        seen = []
        SCRIPT.clear()
        SCRIPT["start"] = lambda obj, ctx: (
            seen.append(len(seen)) or (gd.Next("start") if len(seen) < 10 else gd.Done(len(seen)))
        )
        claims = []

        def claimed(sender, **fields):
            claims.append(fields["count"])

        with events.claim_stop.connected_to(claimed), durable.worker(gc=False):
            handle = durable.insert(Actor())
            assert durable.wait(handle, 10, "terminal").result == 10
        SCRIPT.clear()

        assert seen == list(range(10))
        assert sum(claims) == 1

    def test_what_is_more_urgent_is_not_held_up(self, durable):
        """With one slot an urgent row starts after a bounded number of an endless chain's steps."""
        steps = []
        SCRIPT.clear()

        def start(obj, ctx):
            steps.append(obj.note)
            if obj.note == "urgent":
                return gd.Done()
            if len(steps) == 3:
                durable.insert(Actor(note="urgent"), priority=-1)
            return gd.Done() if "urgent" in steps else gd.Next("start")

        SCRIPT["start"] = start
        with durable.worker(queues={"default": 1}, gc=False):
            handle = durable.insert(Actor(note="endless"))
            assert durable.wait(handle, 10, "terminal").status == "done"
        SCRIPT.clear()

        assert steps.index("urgent") < 3 + 2 * 11


class TestMail:
    def test_what_came_during_the_step_lies_before_the_next(self, play):
        """The write that claims the row says that it has mail, and the inbox is read."""
        id = play.actor()
        claim = play.one()
        play.durable.signal(id, "go")

        new = ahead(play, claim, gd.Next("then"))

        assert new.signals.names == {"go"}

    def test_a_letter_that_the_commit_waited_for_is_not_lost(
        self, play, conn, other, meanwhile, blocked
    ):
        """It counts as one that came during the next step: that has it once it awaits it.

        The write of a step's own session waits for a delivery in progress; what it tells of the
        inbox is of before.
        """
        id = play.actor()
        finished = play.say(play.one(), gd.Next("then"))
        play.durable.signal(id, "go", session=other)
        with conn.begin():
            committed = meanwhile(play.commit, finished, conn=conn, wait=True, ttl=30)
            blocked(conn)
            other.commit()
            (new,) = committed.result(10).ahead
        assert not new.signals
        assert [name for _, name in play.mail(id)] == ["go"]

        park = play.say(new, gd.Await("go", then="then", timeout=60))
        assert play.commit(park).woken == {"default"}
        assert play.one().signals.names == {"go"}
