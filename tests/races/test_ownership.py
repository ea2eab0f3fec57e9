"""Whoever lost a claim commits nothing: no outcome, no child, no signal, no barrier."""

from __future__ import annotations

import pytest

import gendurable as gd
from gendurable.engine import leases
from gendurable.engine.commit import commit
from gendurable.engine.encode import document
from gendurable.queries import outcomes
from tests.races.play import SCRIPT, Actor, Mortal


def lose(play, claim, worker="w"):
    """Let the lease of *claim* lapse and its row be reaped and due again."""
    play.expire(claim.id)
    assert play.reap().count == 1
    play.change("UPDATE gendurable.instances SET eligible_at = inserted_at")


class TestStaleOutcome:
    def test_it_changes_nothing(self, play):
        """An outcome of a lost claim touches neither row, inbox, children nor history."""
        id = play.parked()
        play.durable.signal(id, "go")
        first = play.one("one")
        late = play.say(first, gd.ScheduleChildren([Actor()], then="then"))
        lose(play, first)
        second = play.one("two")
        before = play.row(id)

        answer = play.commit(late, worker="one")

        assert (answer.stale, answer.done) == ([late], [])
        assert play.row(id) == before
        assert play.rows("SELECT 1 FROM gendurable.instances WHERE parent_id = :id", id=id) == []
        assert len(play.mail(id)) == 1
        assert second.claim_seq == first.claim_seq + 1

    def test_it_does_not_count_on_the_barrier(self, play):
        """A child that ended twice, once late, is counted once."""
        id, claims = play.family(2)
        late = play.say(claims[0], gd.Done())
        lose(play, claims[0])
        again = play.one("two")
        play.commit(play.say(again, gd.Done()), worker="two")

        assert play.commit(late).stale == [late]
        assert play.row(id).children_pending == 1

    def test_the_same_worker_with_an_older_claim(self, play):
        """A worker that claimed the same row again is not the one that it was."""
        id = play.actor()
        first = play.one()
        late = play.say(first, gd.Done())
        lose(play, first)
        second = play.one()

        assert play.commit(late).stale == [late]
        play.commit(play.say(second, gd.Next("then")))
        play.one()
        assert play.commit(play.say(second, gd.Done())).stale
        assert (play.row(id).status, play.row(id).step) == ("executing", "then")

    @pytest.mark.parametrize("order", [1, -1], ids=["older_first", "newer_first"])
    @pytest.mark.parametrize(
        "late", [gd.Done("late"), gd.Next("start"), gd.Await("go", then="then")]
    )
    @pytest.mark.parametrize("said", [gd.Done("said"), gd.Next("then"), gd.Retry(60)])
    def test_beside_the_outcome_of_the_newer_claim(self, play, late, said, order):
        """One batch has both, where the same worker has claimed the row again: the newer counts."""
        id = play.actor()
        older = play.say(play.one(), late)
        play.durable.rewind(id, to="start")
        newer = play.say(play.one(), said)
        with play.engine.begin() as conn:
            answer = commit(conn, play.db, "w", [older, newer][::order], ttl=30)

        assert (answer.stale, answer.done) == ([older], [newer])
        row = play.row(id)
        goes_on = isinstance(said, gd.Next)
        assert [(one.id, one.claim_seq) for one in answer.ahead] == [(id, 3)] * goes_on
        if isinstance(said, gd.Done):
            assert (row.status, row.result) == ("done", "said")
        else:
            assert row.step == ("then" if goes_on else "start")
            assert row.status == ("executing" if goes_on else "runnable")

    @pytest.mark.parametrize("order", [1, -1], ids=["older_first", "newer_first"])
    def test_the_write_itself_tells_them_apart(self, play, order):
        """Each document is written to the claim that it names, and to no other of its row."""
        id = play.actor()
        older = play.say(play.one(), gd.Done("late"))
        play.durable.rewind(id, to="start")
        newer = play.say(play.one(), gd.Done("said"))
        documents = [document(older), document(newer)][::order]
        with play.engine.begin() as conn:
            assert len(outcomes.write(conn, play.db, "w", [id], documents, 30.0)) == 1

        assert play.row(id).result == "said"

    def test_its_heartbeat_does_not_extend_the_new_claim(self, play):
        """A heartbeat for an older claim of the same worker is told that it was lost."""
        id = play.actor()
        first = play.one()
        lose(play, first)
        second = play.one(ttl=1)
        before = play.row(id).lease_expires_at

        with play.engine.begin() as conn:
            pairs = [(id, first.claim_seq)]
            answer = leases.extend(conn, play.db, pairs, "w", 3600)
        assert answer.lost == {(id, first.claim_seq)}
        assert play.row(id).lease_expires_at == before
        with play.engine.begin() as conn:
            answer = leases.extend(conn, play.db, [(id, second.claim_seq)], "w", 3600)
        assert (answer.lost, answer.skipped) == (set(), set())
        assert play.row(id).lease_expires_at > before

    def test_a_release_of_an_older_claim(self, play):
        """Nor does a drain give back what is another claim's by now."""
        id = play.actor()
        first = play.one()
        lose(play, first)
        play.one()

        with play.engine.begin() as conn:
            answer = leases.release(conn, play.db, [first], "w", attempts=False)
        assert (answer.queues, answer.skipped) == (set(), set())
        assert play.row(id).status == "executing"

    def test_an_abandoned_thread(self, play):
        """What a thread returns after its claim was exchanged is stale."""
        play.actor()
        claim = play.one()
        with play.engine.begin() as conn:
            new = leases.exchange(conn, play.db, claim, "w", 30)

        assert play.commit(play.say(claim, gd.Done())).stale
        assert play.commit(play.say(new, gd.Done())).ids == [claim.id]

    def test_a_cancelled_instance_stays_cancelled(self, play):
        """No late outcome resurrects what a hand has ended."""
        id = play.actor()
        claim = play.one()
        play.durable.cancel(id, "no more")

        assert play.commit(play.say(claim, gd.Next("then"))).stale
        assert play.row(id).status == "cancelled"

    def test_in_the_session_of_a_step_the_rows_go_too(self, play, conn):
        """What a step wrote through its session leaves no trace when its claim was lost."""
        play.change("CREATE TABLE effects (what text)")
        id = play.actor()

        def start(obj, ctx):
            ctx.session.connection().exec_driver_sql("INSERT INTO effects VALUES ('mail')")
            play.expire(id)
            play.reap()
            return gd.Done()

        SCRIPT["start"] = start
        finished = play.run(play.one())

        assert finished.committed.stale == [finished]
        assert play.rows("SELECT * FROM effects") == []
        assert play.row(id).status == "runnable"


class TestReaper:
    def test_between_children_and_park(self, play, conn):
        """A fan-out in progress holds its row: the reaper cannot come between child and park."""
        id = play.actor()
        claim = play.one()
        fan_out = play.say(claim, gd.ScheduleChildren([Actor(), Actor()], then="then"))
        play.expire(id)
        inserted = []
        with conn.begin():
            play.watch(
                conn, "INSERT INTO gendurable.instances", lambda: inserted.append(play.reap())
            )
            assert play.commit(fan_out, conn=conn).ids == [id]

        assert [one.count for one in inserted] == [0]
        assert (play.row(id).status, play.row(id).children_pending) == ("awaiting_children", 2)

    def test_it_returns_at_once_past_a_locked_row(self, play, conn, other):
        """A row that its owner is committing is not waited for; the next one is taken."""
        held, free = play.actor(), play.actor()
        claims = play.claim()
        play.expire(held, free)
        with conn.begin():
            play.commit(play.say(claims[0], gd.Done()), conn=conn)
            with other.begin():
                other.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
                assert play.reap(other).count == 1
        assert (play.row(held).status, play.row(free).status) == ("done", "runnable")

    def test_the_dead_worker_that_is_first(self, play, conn):
        """A commit that finds its row held by the reaper comes back, and is stale then."""
        id = play.actor()
        late = play.say(play.one(), gd.Done())
        play.expire(id)
        with conn.begin():
            assert play.reap(conn).count == 1
            assert play.group(late).skipped == [late]

        assert play.group(late).stale == [late]

    def test_a_death_costs_one_attempt_and_one_crash(self, play):
        """A reaped row is older by one attempt and one crash, and waits a little."""
        id = play.actor()
        play.one()
        play.expire(id)
        play.reap()

        row = play.row(id)
        assert (row.status, row.attempt, row.crashes) == ("runnable", 1, 1)
        assert "died" in row.last_error

    def test_a_drain_costs_nothing(self, play):
        """What had not started goes back as it was."""
        id = play.actor()
        before = play.row(id)
        claim = play.one()
        with play.engine.begin() as conn:
            leases.release(conn, play.db, [claim], "w", attempts=False)

        after = play.row(id)
        assert after.eligible_at == before.eligible_at
        assert (after.attempt, after.crashes) == (0, 0)

    def test_the_crash_budget(self, play):
        """A step that takes its workers down fails when its budget is spent."""
        SCRIPT["start"] = lambda obj, ctx: gd.Done()
        id = int(play.durable.insert(Mortal()))
        lose(play, play.one())
        play.one()
        play.expire(id)
        play.reap()

        row = play.row(id)
        assert (row.status, row.crashes) == ("failed", 1)
        assert "crash budget exhausted" in row.last_error

    def test_crashes_in_a_row_only(self, play):
        """A success between two crashes makes them two first ones."""
        id = play.actor()
        lose(play, play.one())
        play.step(gd.Next("then"))

        assert play.row(id).crashes == 0

    def test_a_spent_budget_counts_on_the_barrier(self, play):
        """A child that crashed too often releases its parent."""
        id = play.actor()
        claim = play.one()
        play.commit(play.say(claim, gd.ScheduleChildren([Mortal()], then="then")))
        lose(play, play.one())
        child = play.one()
        play.expire(child.id)

        assert play.reap().queues >= {"default"}
        assert play.row(id).status == "runnable"

    def test_a_crash_in_this_process_does_not_wait_for_the_parent(self, play, conn, meanwhile):
        """A child whose budget a crash of its own thread spends locks its parent first, or not."""
        id = play.actor()
        claim = play.one()
        play.commit(play.say(claim, gd.ScheduleChildren([Mortal()], then="then")))
        lose(play, play.one())

        def start(obj, ctx):
            raise KeyboardInterrupt

        SCRIPT["start"] = start
        crashed = play.run(play.one())
        assert crashed.kind == "crashed"
        with conn.begin():
            play.lock(conn, id)
            answer = meanwhile(play.group, crashed).result(5)
            assert answer.parent_skipped == [crashed]
        play.behind_parents(crashed)

        assert play.row(id).status == "runnable"

    def test_it_survives_a_bad_row(self, play):
        """Sweeps go on however strange a row is: unknown machine, unknown step."""
        ids = [play.actor() for _ in range(3)]
        play.claim()
        play.change("UPDATE gendurable.instances SET fsm = 'gone' WHERE id = :id", id=ids[1])
        play.expire(*ids)

        assert play.reap().count == 3


class TestDeadlocks:
    def test_heartbeat_reaper_and_commit_never_wait(self, play, conn, other):
        """Whatever order their rows come in, none of the engine's own sweeps waits for another."""
        ids = [play.actor() for _ in range(4)]
        claims = play.claim()
        play.expire(*reversed(ids))
        with conn.begin(), other.begin():
            for one in (conn, other):
                one.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
            play.lock(conn, ids[2])
            play.lock(other, ids[0])
            pairs = [(one.id, one.claim_seq) for one in reversed(claims)]
            held = leases.extend(conn, play.db, pairs, "w", 30)
            assert {id for id, _ in held.skipped} == {ids[0]}
            assert play.reap(other).count == 1
            late = [play.say(one, gd.Done()) for one in reversed(claims)]
            answer = play.commit(*late, conn=other)
            assert (len(answer.skipped), len(answer.stale)) == (3, 1)

    def test_a_claim_holds_no_lock_that_a_flush_needs(self, play, conn, meanwhile, blocked):
        """A claim that locked a row in vain waits for nobody, so a commit meets no cycle."""
        ids = [play.actor() for _ in range(3)]
        with conn.begin():
            with play.gate():
                slow = meanwhile(play.gated_claim, conn)
                blocked(conn)
                claims = play.claim(demand=2)
            assert slow.result(10) == ids[2:]
            answer = play.group(*(play.say(one, gd.Done()) for one in claims))
            assert len(answer.ids) + len(answer.skipped) == 2

        play.group(*answer.skipped)
        assert [play.row(id).status for id in ids] == ["done", "done", "executing"]

    def test_a_version_replaced_under_a_claim(self, play, conn, meanwhile, blocked):
        """A claim gets a row whose version was replaced since its snapshot: it joins by id."""
        id = play.actor()
        with conn.begin():
            with play.gate():
                slow = meanwhile(play.gated_claim, conn)
                blocked(conn)
                play.change("UPDATE gendurable.instances SET headers = headers")
            assert slow.result(10) == [id]

    def test_two_claims_share_a_queue(self, play, conn, other):
        """Two claims at once take different rows, and neither waits."""
        ids = {play.actor() for _ in range(4)}
        with conn.begin(), other.begin():
            one = {claim.id for claim in play.claim(conn, "one", 2)}
            two = {claim.id for claim in play.claim(other, "two", 2)}
        assert one | two == ids
        assert not one & two

    def test_a_claim_locks_no_more_than_it_returns(self, play, conn, other):
        """Rows of other priorities that a claim did not take are free for the next one."""
        ids = [play.actor(priority=n % 3) for n in range(9)]
        with conn.begin(), other.begin():
            taken = {claim.id for claim in play.claim(conn, "one", 4)}
            rest = {claim.id for claim in play.claim(other, "two", 100)}
        assert taken | rest == set(ids)
        assert len(taken) == 4

    @pytest.mark.parametrize("wait", [False, True])
    def test_a_deadlock_is_run_again(self, play, conn, meanwhile, blocked, wait):
        """What must wait (a key of a child) and is chosen as a deadlock's victim commits later."""
        play.actor()
        claim = play.one()
        children = [gd.Spawn(Actor(), correlation_key="k")]
        fan_out = play.say(claim, gd.ScheduleChildren(children, then="then"))
        with conn.begin() as transaction:
            play.durable.insert(Actor(), correlation_key="k", session=conn)
            answer = play.group(fan_out)
            assert answer.skipped == [fan_out]
            if wait:
                transaction.rollback()
        answer = play.group(fan_out)
        assert answer.ids == [claim.id]
        assert play.row(claim.id).status == ("awaiting_children" if wait else "runnable")
