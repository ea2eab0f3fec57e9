"""What a hand does meets a claim, a commit or another hand: one of them is first, never both."""

from __future__ import annotations

import random
import threading

import pytest

import gendurable as gd
from gendurable.engine import control
from gendurable.testing import drain
from tests.races.play import SCRIPT, Actor

AWAIT = gd.Await("go", then="then")


class TestPause:
    def test_claimed_first(self, play, conn, other, meanwhile, blocked):
        """A pause waits for a claim in progress; that step runs, and is the last one."""
        id = play.actor()
        with conn.begin():
            (claim,) = play.claim(conn)
            paused = meanwhile(play.durable.pause, id, session=other)
            blocked(other)
        assert paused.result(10) == 1
        other.commit()

        assert play.row(id).status == "executing"
        play.commit(play.say(claim, gd.Next("then")))
        assert play.claim() == []
        assert play.row(id).status == "runnable"

    def test_paused_first(self, play, other):
        """A claim passes over what a pause holds, and after it the row is no longer there."""
        id = play.actor()
        play.durable.pause(id, session=other)
        assert play.claim() == []
        other.commit()

        assert play.claim() == []
        play.durable.resume(id)
        assert len(play.claim()) == 1

    def test_between_a_claims_snapshot_and_its_lock(self, play, other, meanwhile, blocked):
        """A claim that saw the row before the pause looks again under its lock."""
        play.actor()
        id = play.actor()
        with play.gate():
            claimed = meanwhile(play.gated_claim, other)
            blocked(other)
            play.durable.pause(id)
        assert claimed.result(10) == [id - 1]
        other.commit()

    def test_of_a_queue_twice_at_once(self, play, conn, other, meanwhile, blocked):
        """Two hands pause one queue: it is held once, and both get their answers."""
        with conn.begin():
            assert play.durable.pause(queue="default", by="ada", session=conn) == 1
            second = meanwhile(play.durable.pause, queue="default", by="bob", session=other)
            blocked(other)
        assert second.result(10) == 0
        other.commit()

        (row,) = play.rows("SELECT paused_by FROM gendurable.pauses WHERE resumed_at IS NULL")
        assert row.paused_by == "ada"

    def test_of_a_queue_keeps_a_signal_from_nobody(self, play, conn):
        """A pause of a queue holds no row: whoever sends or parks does not wait for it."""
        id = play.parked()
        with conn.begin():
            play.durable.pause(queue="default", session=conn)
            assert play.durable.signal(id, "go") is True
        assert play.row(id).status == "runnable"
        assert play.claim() == []

    def test_resume_against_resume(self, play, conn, other, meanwhile, blocked):
        """Two hands resume one row: it is let go once."""
        id = play.actor()
        play.durable.pause(id)
        with conn.begin():
            assert play.durable.resume(id, session=conn) == 1
            second = meanwhile(play.durable.resume, id, session=other)
            blocked(other)
        assert second.result(10) == 0
        other.commit()


class TestEdits:
    @pytest.fixture(params=["rewind", "patch_state"])
    def edit(self, play, request):
        """Either edit, on an instance and in somebody's transaction."""
        if request.param == "rewind":
            return lambda id, **kw: play.durable.rewind(id, to="then", **kw)
        return lambda id, **kw: play.durable.patch_state(id, {"note": "edited"}, **kw)

    def test_before_the_commit(self, play, edit):
        """The outcome of who lost the row is stale, whatever it was."""
        id = play.actor()
        claim = play.one()
        late = play.say(claim, gd.Done())
        edit(id)
        before = play.row(id)

        assert play.commit(late).stale == [late]
        assert play.row(id) == before
        assert play.one().claim_seq == claim.claim_seq + 1

    def test_during_the_commit(self, play, edit, conn, other, meanwhile, blocked):
        """An edit waits for an outcome in progress, then finds the row as that left it."""
        id = play.actor()
        claim = play.one()
        with conn.begin():
            play.commit(play.say(claim, AWAIT), conn=conn)
            edited = meanwhile(edit, id, session=other)
            blocked(other)
        edited.result(10)
        other.commit()

        assert play.row(id).visit == claim.visit + 2
        assert play.row(id).step == "then"

    def test_while_the_commit_waits(self, play, edit, conn, other, meanwhile, blocked):
        """An outcome that waits for an edit is stale when it gets the lock."""
        id = play.actor()
        late = play.say(play.one(), AWAIT)
        edit(id, session=other)
        with conn.begin():
            committed = meanwhile(play.commit, late, conn=conn, wait=True)
            blocked(conn)
            other.commit()
            assert committed.result(10).stale == [late]
        assert play.row(id).status == "runnable"

    def test_against_a_signal(self, play, edit, conn, other, meanwhile, blocked):
        """A signal that crosses with an edit is in the inbox, and wakes who is still parked."""
        id = play.parked()
        with conn.begin():
            edit(id, session=conn)
            sent = meanwhile(play.durable.signal, id, "go", session=other)
            blocked(other)
        assert sent.result(10) is True
        other.commit()

        assert play.row(id).status == "runnable"
        assert [name for _, name in play.mail(id)] == ["go"]

    def test_two_patches_that_expect_the_same(self, play, conn, other, meanwhile, blocked):
        """Of two edits of what both have seen, the second is refused."""
        id = play.actor()
        with conn.begin():
            play.durable.patch_state(id, {"note": "a"}, expect=0, session=conn)
            second = meanwhile(play.durable.patch_state, id, {"note": "b"}, expect=0, session=other)
            blocked(other)
        with pytest.raises(gd.InvalidInput, match="visit"):
            second.result(10)
        other.rollback()
        assert play.row(id).state == {"note": "a"}

    def test_a_child_that_ends_while_its_parent_is_rewound(
        self, play, conn, other, meanwhile, blocked
    ):
        """A child's end waits for the rewind of its parent, and then counts for nothing."""
        id, (child, _) = play.family(2)
        play.durable.rewind(id, to="then", session=conn)
        late = play.say(child, gd.Done())
        committed = meanwhile(play.commit, late, conn=other, wait=True)
        blocked(other)
        conn.commit()
        assert committed.result(10).done == [late]
        other.commit()

        row = play.row(id)
        assert (row.status, row.step, row.children_pending) == ("runnable", "then", 0)

    def test_a_child_that_is_rewound_while_its_parent_goes_on(
        self, play, conn, other, meanwhile, blocked
    ):
        """A revived child joins the round only if its parent still waits for it then."""
        id, (one, two) = play.family(2)
        play.commit(play.say(one, gd.Done()))
        with conn.begin():
            play.commit(play.say(two, gd.Done()), conn=conn)
            revived = meanwhile(play.durable.rewind, one.id, to="start", session=other)
            blocked(other)
        revived.result(10)
        other.commit()

        assert (play.row(id).status, play.row(id).children_pending) == ("runnable", 0)
        assert play.row(one.id).status == "runnable"


class TestKeys:
    @pytest.mark.parametrize("edit", ["retry", "rewind"])
    def test_whose_holder_ends_just_then(self, play, monkeypatch, edit):
        """A key that is free again when its holder is looked for is taken, with no complaint."""
        id = play.actor(correlation_key="k")
        play.durable.cancel(id, "no")
        holder = play.actor(correlation_key="k")
        holders = control.enqueue.holders

        def late(conn, db, keys):
            monkeypatch.setattr(control.enqueue, "holders", holders)
            play.durable.cancel(holder, "out of the way")
            return holders(conn, db, keys)

        monkeypatch.setattr(control.enqueue, "holders", late)
        if edit == "retry":
            play.durable.retry(id)
        else:
            play.durable.rewind(id, to="then")

        assert (play.row(id).status, play.row(holder).status) == ("runnable", "cancelled")

    def test_a_key_that_is_being_taken(self, play, conn, meanwhile, blocked_somewhere):
        """A retry waits for the transaction that inserts its key, and is refused or not by that."""
        id = play.actor(correlation_key="k")
        play.durable.cancel(id, "no")
        with conn.begin() as transaction:
            play.durable.insert(Actor(), correlation_key="k", session=conn)
            retried = meanwhile(play.durable.retry, id)
            blocked_somewhere()
            transaction.rollback()
        retried.result(10)
        assert play.row(id).status == "runnable"

        play.durable.cancel(id, "no")
        with conn.begin():
            holder = play.durable.insert(Actor(), correlation_key="k", session=conn)
            retried = meanwhile(play.durable.retry, id)
            blocked_somewhere()
        with pytest.raises(gd.DuplicateInstance) as caught:
            retried.result(10)
        assert caught.value.id == holder.id


class TestCascade:
    """Nothing escapes that is born while a cascade goes down."""

    BIRTH = gd.ScheduleChildren([Actor(), Actor()], then="then")

    def all(self, play):
        return [row.status for row in play.rows("SELECT status FROM gendurable.instances")]

    def test_a_birth_first(self, play, conn, other, meanwhile, blocked):
        """The cascade waits for an outcome that has children, and ends them with their parent."""
        id = play.actor()
        with conn.begin():
            play.commit(play.say(play.one(), self.BIRTH), conn=conn)
            cancelled = meanwhile(play.durable.cancel, id, "no", cascade=True, session=other)
            blocked(other)
        assert cancelled.result(10) is True
        other.commit()

        assert self.all(play) == ["cancelled"] * 3

    def test_the_cascade_first(self, play, conn, other, meanwhile, blocked):
        """An outcome that waits for the cascade is stale then, and nobody is born."""
        id = play.actor()
        late = play.say(play.one(), self.BIRTH)
        play.durable.cancel(id, "no", cascade=True, session=other)
        with conn.begin():
            committed = meanwhile(play.commit, late, conn=conn, wait=True)
            blocked(conn)
            other.commit()
            assert committed.result(10).stale == [late]

        assert self.all(play) == ["cancelled"]

    def test_a_birth_between_two_generations(self, play, conn):
        """A child that has children while its parent is being ended is ended with them."""
        id, (_, child) = play.family(2)
        born = []

        def give_birth():
            if not born:
                born.extend(play.commit(play.say(child, self.BIRTH)).ids)

        with conn.begin():
            play.watch(conn, "'cancelled'", give_birth)
            play.durable.cancel(id, "no", cascade=True, session=conn)

        assert born == [child.id]
        assert self.all(play) == ["cancelled"] * 5

    def test_a_birth_from_outside(self, play, conn, meanwhile, blocked_somewhere):
        """Whoever adds children to a child waits for the cascade, and finds it ended."""
        id, (child, _) = play.family(2)
        with conn.begin():
            play.durable.cancel(id, "no", cascade=True, session=conn)
            added = meanwhile(play.durable.schedule_children, child.id, [Actor()])
            blocked_somewhere()
        with pytest.raises(gd.NoTarget):
            added.result(10)

        assert self.all(play) == ["cancelled"] * 3

    def test_a_child_that_is_put_back_meanwhile(self, play, conn, meanwhile, blocked_somewhere):
        """A retry of a child waits for the cascade, and is a decision of its own after that."""
        id, (child, _) = play.family(2)
        play.commit(play.say(child, gd.Stop("no")))
        with conn.begin():
            play.durable.cancel(id, "no", cascade=True, session=conn)
            retried = meanwhile(play.durable.retry, child.id)
            blocked_somewhere()
        retried.result(10)

        assert (play.row(child.id).status, play.row(id).status) == ("runnable", "cancelled")


class TestFamilies:
    @pytest.mark.parametrize("deed", ["cancel", "rewind", "pause", "reschedule"])
    def test_who_waits_for_a_child_does_not_hold_its_parent(
        self, play, conn, meanwhile, blocked_somewhere, deed
    ):
        """While somebody's open transaction holds a child, its siblings end and are counted."""
        id, (one, two, three) = play.family(3)
        deeds = {
            "cancel": lambda: play.durable.cancel(one.id, "no"),
            "rewind": lambda: play.durable.rewind(one.id, to="start"),
            "pause": lambda: play.durable.pause(one.id),
            "reschedule": lambda: play.durable.reschedule(one.id, priority=7),
        }
        with conn.begin():
            play.lock(conn, one.id)
            done = meanwhile(deeds[deed])
            blocked_somewhere()
            ended = play.commit(play.say(two, gd.Done()), play.say(three, gd.Done()))
            assert ended.ids == [two.id, three.id]
        done.result(10)

        assert play.row(id).children_pending == (0 if deed == "cancel" else 1)

    def test_who_waits_for_a_parent_does_not_hold_its_child(
        self, play, conn, meanwhile, blocked_somewhere
    ):
        """While somebody holds the parent, a child that is about to be cancelled goes on."""
        id, (one, _) = play.family(2)
        with conn.begin():
            play.lock(conn, id)
            cancelled = meanwhile(play.durable.cancel, one.id, "no")
            blocked_somewhere()
            assert play.commit(play.say(one, gd.Next("then"))).ids == [one.id]
        assert cancelled.result(10) is True
        assert (play.row(one.id).status, play.row(one.id).step) == ("cancelled", "then")


class TestBulk:
    def test_what_changed_before_its_lock(self, play, conn, other, meanwhile, blocked):
        """An instance that left the condition while the sweep waited for it is left alone."""
        ids = [play.actor() for _ in range(10)]
        where = gd.Instance.queue == "default"
        with conn.begin():
            play.durable.reschedule(ids[3], queue="y", session=conn)
            swept = meanwhile(play.durable.cancel, where=where, reason="sold", session=other)
            blocked(other)
        assert swept.result(10) == 9
        other.commit()
        assert play.row(ids[3]).status == "runnable"

    @pytest.mark.parametrize("held", [3, 0], ids=["a row", "a parent"])
    def test_holds_nobody_while_it_waits(self, play, conn, meanwhile, blocked_somewhere, held):
        """A row in somebody's open transaction comes last; all others are committed before."""
        parent, claims = play.family(9)
        ids = [parent, *(one.id for one in claims)]
        where = gd.Instance.id != parent
        with conn.begin():
            play.lock(conn, ids[held])
            swept = meanwhile(play.durable.pause, where=where, by="ada")
            blocked_somewhere()
            held_now = [id for id in ids[1:] if play.row(id).paused_at is None]
            assert held_now == (ids[1:] if held == 0 else [ids[held]])
            # Whoever is not held by that transaction goes on
            rest = [one for one in claims if one.id != ids[held]]
            if held:
                assert not play.commit(*(play.say(one, gd.Next("then")) for one in rest)).skipped
        assert swept.result(10) == 9
        assert all(play.row(id).paused_at for id in ids[1:])

    def test_takes_steps_from_their_workers(self, play):
        """What executes is ended with the rest, and its outcomes are stale."""
        ids = [play.actor() for _ in range(5)]
        late = [play.say(one, gd.Next("then")) for one in play.claim()]

        assert play.durable.cancel(where=gd.Instance.fsm == "races.Actor", reason="no") == 5
        assert play.commit(*late).stale == late
        assert {play.row(id).status for id in ids} == {"cancelled"}


class TestManyTimes:
    @pytest.mark.slow
    def test_cancel_against_a_step(self, play, meanwhile):
        """However a cancel falls upon a step, either it ended the row or the outcome was written.

        500 rows, each with a hand that comes at some instant between claim and commit.
        """
        ids = [int(one) for one in play.durable.insert_all([Actor() for _ in range(500)])]
        claims = play.claim(demand=500)
        chance = random.Random(4711)
        for claim in claims:
            finished = play.say(claim, gd.Done("ran"))
            go = threading.Barrier(2)
            waits = chance.random() * 0.002, chance.random() * 0.002

            def after(wait, call, *args, go=go):
                go.wait(10)
                threading.Event().wait(wait)
                return call(*args)

            cancelled = meanwhile(after, waits[0], play.durable.cancel, claim.id, "no")
            committed = meanwhile(after, waits[1], play.group, finished)
            won, answer = cancelled.result(10), committed.result(10)
            # A commit that met the cancel's lock comes back to the row, as the committer does.
            while answer.skipped:
                answer = play.group(finished)
            assert won is not bool(answer.done), "both, or neither"
            row = play.row(claim.id)
            assert (row.status, row.result) == (("cancelled", None) if won else ("done", "ran"))
        ended = {play.row(id).status for id in ids}
        assert ended == {"cancelled", "done"}, "the schedule has no race in it"

    @pytest.mark.slow
    def test_rewinds_against_a_worker(self, play, eventually):
        """Instances that are rewound or edited while they run end all the same."""
        SCRIPT["start"] = lambda obj, ctx: gd.Next("then")
        SCRIPT["then"] = lambda obj, ctx: gd.Done(obj.note)
        handles = play.durable.insert_all([Actor() for _ in range(60)])
        chance = random.Random(4711)
        with play.durable.worker(queues={"default": 4}):
            for handle in handles:
                if chance.random() < 0.5:
                    play.durable.patch_state(handle, {"note": "edited"})
                else:
                    play.durable.rewind(handle, to="start")
            for handle in handles:
                assert handle.wait(20, "terminal").status == "done"
        assert drain(play.durable) == {}
