"""How many statements each trip costs, whatever the number of rows."""

from __future__ import annotations

import pytest

import gendurable as gd
from gendurable.duties import CronSettings
from gendurable.engine import leases
from gendurable.engine.claim import BATCH
from gendurable.runtime.cron import Cron
from gendurable.runtime.loop import Outage
from tests.races.play import SCRIPT, Actor

sizes = pytest.mark.parametrize("n", [1, 10, 300])


class TestClaim:
    def test_an_empty_one(self, play, counted):
        """A claim that finds nothing is one statement; it says when the next row is due, too."""
        play.actor(delay=60)
        with counted() as sent, play.engine.begin() as conn:
            claimed = play.claimed(conn)

        assert len(sent) == 1
        assert 50 < claimed.next_due <= 60

    def test_of_a_held_queue(self, play, counted):
        """Whether a queue is held costs no statement of its own."""
        play.durable.insert_all([Actor() for _ in range(10)])
        play.durable.pause(queue="default")
        with counted() as sent, play.engine.begin() as conn:
            assert play.claimed(conn).claims == []

        assert len(sent) == 1

    @sizes
    def test_of_many(self, play, counted, n):
        """A claim is one statement; where there is mail, the inboxes of its rows are another."""
        ids = [int(one) for one in play.durable.insert_all([Actor() for _ in range(n)])]
        play.durable.signal(ids[0], "go")
        with counted() as sent:
            claims = play.claim(demand=1000)

        assert len(claims) == n
        assert len(sent) == 2


class TestLimits:
    @sizes
    def test_a_claim_of_one_key(self, keeper, counted, n):
        """Rows with keys cost two more: who is in, and what was decided."""
        keeper.durable.set_limit("a", gd.ConcurrencyLimit(1000))
        keeper.rows_of(n, concurrency_key="a")
        with counted() as sent:
            assert len(keeper.turn(demand=1000).claims) == n

        assert len(sent) == 3

    @sizes
    def test_a_claim_of_many_keys(self, keeper, counted, n):
        """However many keys there are; no more rows than make a batch are looked at."""
        spawns = [gd.Spawn(Actor(), concurrency_key=("a", k)) for k in range(n)]
        keeper.durable.insert_all(spawns * 2)
        with counted() as sent:
            claimed = keeper.turn(demand=1000)

        assert (len(claimed.claims), claimed.marked) == (n, min(n, BATCH - n))
        assert len(sent) == 3

    @sizes
    def test_a_claim_of_many_rates(self, keeper, counted, n):
        """Rates cost three: read, decide, write; once two more to make the buckets."""
        keeper.durable.set_limit("r", gd.RateLimit(1, per=3600, burst=2))
        for expected in (6, 4):
            keeper.durable.insert_all([gd.Spawn(Actor(), rate_limit=("r", k)) for k in range(n)])
            with counted() as sent:
                assert len(keeper.turn(demand=1000).claims) == n
            assert len(sent) == expected

    def test_a_claim_of_everything(self, keeper, counted):
        """Keys and rates together are six."""
        keeper.durable.set_limit("r", gd.RateLimit(1, per=3600, burst=2))
        keeper.durable.insert_all(
            [
                gd.Spawn(Actor(), concurrency_key=("a", k % 7), rate_limit=("r", k % 5))
                for k in range(100)
            ]
        )
        keeper.turn(demand=1)
        with counted() as sent:
            keeper.turn(demand=1000)

        assert len(sent) <= 7

    @sizes
    def test_a_look(self, keeper, counted, n):
        """A look at many keys is one statement after its setting, and a sweep is one."""
        for _ in range(2):
            keeper.durable.insert_all(
                [gd.Spawn(Actor(), concurrency_key=("a", k)) for k in range(n)]
            )
        claims = keeper.turn(demand=1000).claims
        keeper.commit(*(keeper.say(one, gd.Done()) for one in claims))
        with counted() as sent:
            assert keeper.look({f"a:{k}" for k in range(n)}).queues == {"default"}

        assert len(sent) == 2


class TestCommit:
    @sizes
    def test_of_plain_outcomes(self, play, counted, n):
        """A commit of plain outcomes is one: it locks, guards and writes."""
        play.durable.insert_all([Actor() for _ in range(n)])
        kinds = [gd.Done({"n": 1}), gd.Next("then"), gd.Retry(5)]
        batch = [play.say(one, kinds[k % 3]) for k, one in enumerate(play.claim(demand=1000))]
        with counted() as sent:
            assert len(play.group(*batch).ids) == n

        assert len(sent) == 1

    @sizes
    def test_of_steps_that_run_ahead(self, play, counted, n):
        """A batch whose rows it claims anew is one; two if it finds letters in their inboxes."""
        play.durable.insert_all([Actor() for _ in range(n)])
        for step, letters in (("then", 0), ("start", 1)):
            batch = [play.say(one, gd.Next(step)) for one in play.claim(demand=1000)]
            if letters:
                play.durable.signal(batch[0].claim.id, "go")
            with counted() as sent:
                ahead = play.commit(*batch, ttl=30).ahead
            assert len(ahead) == n
            assert sum(len(one.signals) for one in ahead) == letters
            assert len(sent) == 1 + letters
            play.change(
                "UPDATE gendurable.instances SET status = 'runnable', locked_by = NULL,"
                " lease_expires_at = NULL"
            )

    @sizes
    def test_of_parks(self, play, counted, n):
        """A batch with parks is two: it looks once for their mail."""
        play.durable.insert_all([Actor() for _ in range(n)])
        park = gd.Await("go", then="then", timeout=60)
        batch = [play.say(one, park) for one in play.claim(demand=1000)]
        with counted() as sent:
            assert len(play.group(*batch).ids) == n

        assert len(sent) == 2

    @sizes
    def test_of_consumed_signals(self, play, counted, n):
        """A batch that consumes signals is two."""
        play.durable.insert_all([Actor() for _ in range(n)])
        play.commit(*(play.say(c, gd.Await("go", then="then")) for c in play.claim(demand=1000)))
        play.change("UPDATE gendurable.instances SET status = 'runnable'")
        play.change(
            "INSERT INTO gendurable.signals (target_id, name)"
            " SELECT id, 'go' FROM gendurable.instances"
        )
        batch = [play.say(claim, gd.Next("then")) for claim in play.claim(demand=1000)]
        assert all(one.consumed for one in batch)
        with counted() as sent:
            assert len(play.group(*batch).ids) == n

        assert len(sent) == 2
        assert play.rows("SELECT 1 FROM gendurable.signals") == []

    @sizes
    def test_of_children_that_end(self, play, counted, n):
        """Children that end together are three, one of them for their parent."""
        id, claims = family(play, n)
        batch = [play.say(claim, gd.Done()) for claim in claims]
        with counted() as sent:
            play.group(*batch)

        assert len(sent) == 3
        assert play.row(id).status == "runnable"

    @sizes
    def test_of_a_fan_out(self, play, counted, n):
        """A fan-out is three: one for all children up to 10,000."""
        play.actor()
        claim = play.one()
        children = [Actor() for _ in range(n)]
        fan_out = play.say(claim, gd.ScheduleChildren(children, then="then"))
        with counted() as sent:
            play.group(fan_out)

        assert len(sent) == 3

    def test_of_everything_at_once(self, play, counted):
        """A batch in which everything occurs is a constant number still."""
        for size in (1, 20):
            _, claims = family(play, size * 3)
            play.durable.insert_all([Actor() for _ in range(size * 3)])
            others = play.claim(demand=1000)
            outcomes = [gd.Await("go", then="then"), gd.Next("then")]
            outcomes.append(gd.ScheduleChildren([Actor(), Actor()], then="then"))
            batch = [play.say(claim, gd.Done()) for claim in claims]
            batch += [play.say(one, outcomes[n % 3]) for n, one in enumerate(others)]
            with counted() as sent:
                assert len(play.group(*batch).ids) == size * 6
            assert len(sent) == 5
            play.change("UPDATE gendurable.instances SET paused_at = statement_timestamp()")

    def test_in_the_session_of_a_step(self, play, counted):
        """A step that touched its session pays for one statement, and its begin for a round trip.

        One that ends empties its inbox, too.
        """
        play.durable.identity()
        for outcome, statements in ((gd.Next("then"), 1), (gd.Done(), 2)):
            play.actor(priority=-statements)
            SCRIPT["start"] = lambda obj, ctx, said=outcome: ctx.session.connection() and said
            claim = play.claim(demand=1)[0]
            with counted() as sent:
                assert play.run(claim).committed.ids == [claim.id]

            assert len(sent) == statements


class TestCallers:
    def test_a_signal(self, play, counted):
        """A signal is one statement, by id or by key, whether it wakes or not."""
        id = play.parked("go", correlation_key="k")
        for target, name in ((id, "other"), ("k", "other"), ("k", "go")):
            with counted() as sent:
                play.durable.signal(target, name, {"n": 1}, dedup_key=f"{target}{name}")
            assert len(sent) == 1

    @pytest.mark.parametrize("n", [1, 10, 10_000])
    def test_an_insert_of_many(self, play, counted, n):
        """An insert is one statement for up to 10,000 rows."""
        objs = [Actor() for _ in range(n)]
        with counted() as sent:
            play.durable.insert_all(objs)

        assert len(sent) == 1

    def test_an_insert(self, play, counted):
        """An insert of one is one; one more if its key is taken, to say by whom."""
        with counted() as sent:
            play.durable.insert(Actor(), correlation_key="k")
        assert len(sent) == 1
        with counted() as sent:
            play.durable.insert(Actor(), correlation_key="k", if_exists="return")
        assert len(sent) == 2


class TestDaemons:
    @sizes
    def test_a_heartbeat(self, play, counted, n):
        """A heartbeat of everything that a worker holds is one statement."""
        play.durable.insert_all([Actor() for _ in range(n)])
        pairs = [(claim.id, claim.claim_seq) for claim in play.claim(demand=1000)]
        with counted() as sent, play.engine.begin() as conn:
            leases.extend(conn, play.db, pairs, "w", 30)

        assert len(sent) == 1

    def test_idle_sweeps(self, play, counted):
        """A sweep that finds nothing is one statement, and so is the next timer."""
        with play.engine.begin() as conn:
            for call in (
                lambda: leases.reap(conn, play.db, play.durable.catalogue),
                lambda: leases.fire_deadlines(conn, play.db),
                lambda: leases.next_timer(conn, play.db),
            ):
                with counted() as sent:
                    call()
                assert len(sent) == 1

    @sizes
    def test_a_sweep_of_the_dead(self, play, counted, n):
        """What the reaper costs does not grow with the dead; one more writes their history."""
        play.durable.insert_all([Actor() for _ in range(n)])
        play.expire(*(claim.id for claim in play.claim(demand=1000)))
        with counted() as sent:
            assert play.reap().count == n

        assert len(sent) <= 3


def family(play, n):
    """Insert a parent with *n* children, and claim those."""
    id = play.actor()
    claim = play.one()
    children = [Actor() for _ in range(n)]
    play.commit(play.say(claim, gd.ScheduleChildren(children, then="then")))
    return id, play.claim(demand=1000)


class TestClock:
    def test_an_idle_turn(self, play, counted):
        """A worker's clock with nothing due asks once how soon something will be."""
        play.durable.schedule("yearly", Actor(), cron="0 0 1 1 *")
        cron = Cron(play.durable, CronSettings(), Outage("test"))
        cron.tick()
        with counted() as sent:
            cron.tick()

        assert len(sent) == 1
