"""Limits: whatever the order, never more than allowed, and nobody is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

import gendurable as gd
from gendurable.engine import gates as engine
from gendurable.engine import limiter
from gendurable.engine.faults import is_lost_race
from gendurable.queries import buckets
from gendurable.queries import claim as query
from gendurable.runtime.gates import TRIES, Gates
from gendurable.runtime.loop import Outage
from gendurable.testing import elapse
from tests.races.conftest import check
from tests.races.gatekeeper import Gatekeeper
from tests.races.play import SCRIPT


@pytest.fixture
def play(durable) -> Iterator[Gatekeeper]:
    """The engine of this test, one function at a time, with what limits need."""
    SCRIPT.clear()
    play = Gatekeeper(durable)
    yield play
    SCRIPT.clear()
    check(play)


@pytest.fixture
def gates(durable) -> Gates:
    """Looks at what it is told of, and never sweeps."""
    gates = Gates(durable, Outage("test"))
    gates._sweep_at = inf
    return gates


@pytest.fixture
def rate(durable):
    """Set the rate "r"."""
    return lambda *args, **kwargs: durable.set_limit("r", gd.RateLimit(*args, **kwargs))


class TestCommitsAndMarks:
    """Whoever frees a slot or marks a row commits, and then looks: one of two sees the other."""

    def test_the_commit_is_first(self, play, conn):
        """The key was full when it was counted; the mark is committed after the slot is free."""
        ids = play.rows_of(2, concurrency_key="a")
        (held,) = play.start(1)
        with conn.begin():
            claimed = play.turn(conn)
            assert (claimed.claims, claimed.marked) == ([], 1)
            play.end(held)
            assert play.start() == []
        assert claimed.look == {"a"}
        assert play.look(claimed.look).queues == {"default"}

        assert play.started() == ids[1:]

    def test_the_mark_is_first(self, play):
        """The one who marks finds the key full still; the one who commits finds the mark."""
        ids = play.rows_of(2, concurrency_key="a")
        (held,) = play.start(1)
        claimed = play.turn()
        assert play.look(claimed.look).queues == set()
        play.end(held)

        assert play.started() == ids[1:]

    def test_both_at_once(self, play, conn, other):
        """Both are committed before either looks."""
        ids = play.rows_of(2, concurrency_key="a")
        (held,) = play.start(1)
        with conn.begin(), other.begin():
            claimed = play.turn(conn)
            play.commit(play.say(held, gd.Done()), conn=other)
            other.commit()
            conn.commit()
        assert play.look({"a"}).queues == {"default"}
        assert play.look(claimed.look).queues == set()

        assert play.started() == ids[1:]

    def test_a_crowd_is_marked(self, play, conn):
        """Marking thousands at once is no different."""
        play.rows_of(20, concurrency_key="a")
        (held,) = play.start(1)
        play.change("UPDATE gendurable.instances SET blocked = NULL")
        with conn.begin():
            keys = limiter.mark_crowd(conn, play.db, "default")
            play.end(held)
        assert keys == {"a"}
        play.look(keys)

        assert len(play.started()) == 1

    def test_an_outcome_that_is_not_committed_frees_nothing(self, play, conn):
        """A slot is taken until the commit, and free by it."""
        ids = play.rows_of(2, concurrency_key="a")
        (held,) = play.start(1)
        with conn.begin() as transaction:
            play.commit(play.say(held, gd.Done()), conn=conn)
            assert play.started() == []
            transaction.rollback()
        assert play.look({"a"}).queues == set()
        assert play.waits(*ids) == [None, "key"]

    def test_a_sweep_while_a_claim_is_under_way(self, play, conn):
        """A sweep lets one in that the claim it did not see has no room for: it is marked again."""
        ids = play.rows_of(2, concurrency_key="a")
        (held,) = play.start(1)
        assert play.start() == []
        play.commit(play.say(held, gd.Done()))
        play.look({"a"})
        more = play.rows_of(2, concurrency_key="a")
        with conn.begin():
            (claim,) = play.turn(conn).claims
            play.look(play.sweep())
            assert play.started() == []
        assert play.started() == []
        assert play.executing("a") == 1
        assert play.waits(*more) == ["key", "key"]
        play.end(claim)
        assert play.started() == more[:1]
        assert claim.id == ids[1]


class TestLockedRows:
    """A row that somebody holds is passed over; that means "not yet", and never "none"."""

    def test_a_claim_that_refuses_a_row_keeps_its_lock(
        self, play, gates, other, meanwhile, blocked, eventually
    ):
        """Its snapshot saw the row before the mark; until it ends nobody can let the row in."""
        ids = play.rows_of(2, concurrency_key="a")
        (held,) = play.start(1)
        with other.begin():
            with play.gate():
                late = meanwhile(play.gated_claim, other)
                blocked(other)
                assert play.start() == []
                assert play.waits(ids[1]) == ["key"]
            assert late.result(10) == []
            play.commit(play.say(held, gd.Done()))
            assert play.look({"a"}).locked == {"a"}
            gates.look({"a"})
            gates.tick()
            assert play.waits(ids[1]) == ["key"]
        eventually(lambda: gates.tick() == inf)

        assert play.started() == ids[1:]

    def test_looking_again_has_an_end(self, play, gates, conn):
        """What is held for long is left to the sweep."""
        ids = play.rows_of(2, concurrency_key="a")
        (held,) = play.start(1)
        assert play.start() == []
        with conn.begin():
            play.lock(conn, ids[1])
            play.commit(play.say(held, gd.Done()))
            gates.look({"a"})
            tries = 0
            while gates.tick() < inf:
                tries += 1 if not gates._again or gates._again["a"][1] > tries else 0
        assert tries == TRIES
        assert play.sweep() == {"a"}
        play.look({"a"})

        assert play.started() == ids[1:]

    def test_the_head_is_held_by_a_user(self, play, conn):
        """The next one is let in; who is held comes later."""
        ids = play.rows_of(3, concurrency_key="a")
        (held,) = play.start(1)
        assert play.start() == []
        with conn.begin():
            play.lock(conn, ids[1])
            play.end(held)
            (claim,) = play.start()
            assert claim.id == ids[2]
        play.end(claim)

        assert play.started() == ids[1:2]

    def test_the_one_that_was_let_in_is_held_by_a_user(self, play, conn):
        """Nobody else is before the claim then; the sweep finds that."""
        ids = play.rows_of(3, concurrency_key="a")
        play.end(*play.start())
        with conn.begin():
            play.lock(conn, ids[1])
            assert play.start() == []
            play.look(play.sweep())
            assert play.started() == ids[2:]
        assert play.start() == []
        assert play.waits(ids[1]) == ["key"]

    def test_only_one_that_waits_for_tokens_and_it_is_held(self, play, rate, conn):
        """The bucket does not forget a row because it could not lock it."""
        rate(1, per=1)
        ids = play.rows_of(2, rate_limit="r")
        play.start()
        with conn.begin():
            play.lock(conn, ids[1])
            play.change("UPDATE gendurable.buckets SET at = at - interval '1 s', head_at = NULL")
            play.rows_of(1, rate_limit="r")
            assert len(play.start()) == 1
            assert play.bucket("r").head_at is not None
            play.change(
                "UPDATE gendurable.buckets SET at = at - interval '1 s',"
                " head_at = statement_timestamp()"
            )
            assert play.ripen() == set()
            assert play.bucket("r").head_at is not None
        play.change(
            "UPDATE gendurable.buckets SET head_at = statement_timestamp()"
            " WHERE head_at IS NOT NULL"
        )
        assert play.ripen() == {"default"}

        assert play.started() == ids[1:]


class TestClaims:
    def test_two_meet_one_key(self, play, conn):
        """The second leaves the key alone, whatever the first will do, and waits for nobody."""
        ids = play.rows_of(3, concurrency_key="a")
        with conn.begin():
            (claim,) = play.turn(conn, demand=1).claims
            second = play.turn(worker="v")
            assert (second.claims, second.contended, second.marked) == ([], True, 0)
        assert play.started() == []
        play.end(claim)

        assert play.started() == ids[1:2]

    def test_they_meet_in_one_slot(self, play, conn, other, meanwhile, blocked):
        """Where no lock keeps them apart the index does: the second is to be repeated."""
        play.durable.set_limit("a", gd.ConcurrencyLimit(2))
        ids = play.rows_of(3, concurrency_key="a")
        with conn.begin(), other.begin():
            execute_behind_its_back(conn, ids[0], slot=0)
            second = meanwhile(play.turn, other)
            blocked(other)
            conn.commit()
            with pytest.raises(IntegrityError) as caught:
                second.result(10)
        assert is_lost_race(caught.value)

        assert play.started() == ids[1:2]
        assert play.executing("a") == 2

    def test_a_worker_repeats_its_claim(self, play, conn, eventually, caplog):
        """It is no outage and no error."""
        ids = play.rows_of(2, concurrency_key="a")
        with conn.begin():
            execute_behind_its_back(conn, ids[0], slot=0)
            with play.durable.worker(gc=False):
                eventually(lambda: play.rows(WAITING))
                conn.commit()
                eventually(lambda: play.waits(ids[1]) == ["key"])
                play.durable.cancel(ids[0], "enough")
                eventually(lambda: play.row(ids[1]).status == "done")
        assert not [one for one in caplog.records if one.levelno > 20]

    def test_a_lock_won_at_the_second_row(self, play, conn):
        """All rows of a key are judged, or none: else the second would pass the first."""
        ids = play.rows_of(2, concurrency_key="a")
        with conn.begin():
            rows, _ = query.claim(conn, play.db, "default", 10, "w", 30)
            late = [(*rows[0][: limiter.WON], False, None), tuple(rows[1])]
            answer = limiter.admit(conn, play.db, "default", late, 10, worker="w", ttl=30)
            assert (answer.rows, answer.contended) == ([], {"a"})

        assert play.started() == ids[:1]

    def test_a_limit_lowered_while_they_are_under_way(self, play, conn):
        """What was claimed before goes on; nothing more starts until there is room."""
        play.durable.set_limit("a", gd.ConcurrencyLimit(3))
        play.rows_of(6, concurrency_key="a")
        with conn.begin():
            claims = play.turn(conn).claims
            play.durable.set_limit("a", gd.ConcurrencyLimit(1))
            assert play.start() == []
        assert len(claims) == 3
        assert play.start() == []
        play.end(*claims[:2])
        assert play.start() == []
        play.end(claims[2])
        assert len(play.start()) == 1


class TestBuckets:
    def test_two_meet_a_new_one(self, play, rate, conn, other, meanwhile, blocked):
        """The second waits for the first one's bucket, and finds what is left in it."""
        rate(0, per=1, burst=3)
        play.rows_of(5, rate_limit="r")
        with conn.begin(), other.begin():
            first = play.turn(conn, demand=2)
            second = meanwhile(play.turn, other)
            blocked(other)
            conn.commit()
            assert len(first.claims) + len(second.result(10).claims) == 3
            other.commit()

        assert play.bucket("r").level == 0

    def test_the_first_one_is_rolled_back(self, play, rate, conn, other, meanwhile, blocked):
        """Then the second makes the bucket."""
        rate(0, per=1, burst=3)
        play.rows_of(5, rate_limit="r")
        with conn.begin() as transaction, other.begin():
            play.turn(conn, demand=2)
            second = meanwhile(play.turn, other)
            blocked(other)
            transaction.rollback()
            assert len(second.result(10).claims) == 3
            other.commit()

    def test_two_meet_a_known_one(self, play, rate, conn):
        """The second leaves its rows as they are, and waits for nobody."""
        rate(0, per=1, burst=3)
        play.rows_of(1, rate_limit="r")
        play.start()
        ids = play.rows_of(4, rate_limit="r")
        with conn.begin():
            assert len(play.turn(conn, demand=1).claims) == 1
            second = play.turn()
            assert (second.claims, second.contended, second.marked) == ([], True, 0)

        assert play.started() == ids[1:2]

    def test_the_time_of_a_bucket_never_runs_backwards(self, play, rate):
        """A claim whose clock is behind that of the last one counts no time twice."""
        rate(1, per=1, burst=2)
        play.rows_of(1, rate_limit="r")
        play.start()
        play.change("UPDATE gendurable.buckets SET at = at + interval '1 h'")
        before = play.bucket("r")
        play.rows_of(5, rate_limit="r")

        assert len(play.start()) == 1
        assert play.bucket("r").at == before.at

    def test_tokens_are_counted_to_the_read(self, play, rate, conn):
        """Whatever flows in while a claim judges is counted by the next one."""
        rate(1, per=3600, burst=10)
        play.rows_of(1, rate_limit="r")
        play.start()
        play.rows_of(1, rate_limit="r")
        seen: list[object] = []
        with conn.begin():
            play.watch(
                conn,
                "locked AS MATERIALIZED",
                lambda: seen.append(conn.scalar(text("SELECT pg_sleep(0.05)"))),
            )
            play.turn(conn)
            ended = conn.scalar(text("SELECT statement_timestamp()"))
        assert seen
        assert (ended - play.bucket("r").at).total_seconds() > 0.05

    def test_a_mark_meets_the_end_of_the_wait(self, play, rate, conn):
        """Rows are marked, and heads let in, under the bucket's lock: one waits for the other."""
        rate(1, per=1000)
        play.rows_of(1, rate_limit="r")
        play.start()
        ids = play.rows_of(2, rate_limit="r")
        with conn.begin():
            assert play.turn(conn).marked == 2
            assert play.ripen() == set()
        elapse(play.durable, 1000)
        assert play.ripen() == {"default"}

        assert play.started() == ids[:1]

    def test_a_head_that_is_not_claimed_is_not_forgotten(self, play, rate):
        """Who was let in may vanish, with nobody to say so; the bucket looks again in a second."""
        rate(1, per=1000)
        play.rows_of(1, rate_limit="r")
        play.start()
        ids = play.rows_of(2, rate_limit="r")
        play.start()
        elapse(play.durable, 1000)
        play.ripen()
        play.change(
            "UPDATE gendurable.instances SET paused_at = statement_timestamp() WHERE id = :id",
            id=ids[0],
        )
        elapse(play.durable, 1000)
        assert play.ripen() == {"default"}

        assert play.started() == ids[1:]

    def test_a_head_that_was_let_in_meets_a_crowd(self, play, rate):
        """Who marks thousands leaves alone the one that was let in, or it would wait once more."""
        rate(1, per=1000)
        play.rows_of(1, rate_limit="r")
        play.start()
        ids = play.rows_of(5, rate_limit="r")
        play.start()
        elapse(play.durable, 1000)
        play.ripen()
        play.mark_crowd()

        assert play.started() == ids[:1]

    def test_a_crowd_is_marked(self, play, rate):
        """Rows behind a head that waits are marked all at once, those of unknown rates too."""
        rate(1, per=1000)
        play.rows_of(2, rate_limit="r")
        play.start()
        ids = play.rows_of(5, rate_limit="r")
        play.mark_crowd()
        assert play.waits(*ids) == ["rate"] * 5
        play.durable.set_limit("r", None)
        play.ripen()
        elapse(play.durable, 1000)
        play.ripen()
        play.change("UPDATE gendurable.instances SET blocked = NULL WHERE id = :id", id=ids[0])
        assert play.started() == []
        play.change("UPDATE gendurable.instances SET blocked = NULL")
        play.change("UPDATE gendurable.buckets SET head_at = head_at + interval '1 hour'")
        play.mark_crowd()
        assert play.waits(*ids) == ["rate"] * 5

    def test_a_claim_meets_one_that_is_forgotten(self, play, rate, conn):
        """The claim leaves it alone until it is gone, and then makes a full one."""
        rate(1, per=1000, burst=2)
        play.rows_of(1, rate_limit="r")
        play.end(*play.start())
        elapse(play.durable, 10_000)
        ids = play.rows_of(3, rate_limit="r")
        with conn.begin():
            assert buckets.forget(conn, play.db, 10) == 1
            assert play.turn().contended

        assert play.started() == ids[:2]

    def test_a_head_told_of_while_buckets_are_read(self, play, gates, rate, monkeypatch):
        """What a claim says meanwhile is not overwritten by what was read before."""
        rate(1, per=1000)
        read = engine.ripen

        def told(*args):
            read(*args)
            play.rows_of(2, rate_limit="r")
            gates.look((), timer=bool(play.start()))
            return 60.0, set()

        monkeypatch.setattr(engine, "ripen", told)
        gates.look((), timer=True)
        assert gates.tick() == 0.0
        monkeypatch.undo()
        assert 500 < gates.tick() <= 1000


WAITING = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"


def execute_behind_its_back(conn, id: int, slot: int) -> None:
    """Take a slot without the advisory lock of its key, as no claim does."""
    conn.execute(
        text(
            "UPDATE gendurable.instances SET status = 'executing', locked_by = 'x',"
            " claim_seq = claim_seq + 1, slot = :slot,"
            " lease_expires_at = statement_timestamp() + interval '1 h' WHERE id = :id"
        ),
        {"id": id, "slot": slot},
    )
