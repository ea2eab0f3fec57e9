"""Rates: how many tokens there are, who takes them, and who waits behind whom."""

from __future__ import annotations

import logging
from itertools import count

import pytest
from sqlalchemy import select, text

import gendurable as gd
from gendurable import events
from gendurable.engine import claim, leases
from gendurable.errors import ConfigError, InvalidInput, InvalidOutcome, UnknownLimit
from gendurable.queries import buckets
from gendurable.testing import drain, elapse
from tests.races.play import SCRIPT, Actor


@pytest.fixture
def rate(durable):
    """Set the rate "r"."""
    return lambda *args, **kwargs: durable.set_limit("r", gd.RateLimit(*args, **kwargs))


@pytest.fixture
def later(play):
    """Let seconds pass, and the tokens of that time flow in."""

    def later(seconds: float) -> None:
        elapse(play.durable, seconds)
        play.ripen()

    return later


@pytest.fixture
def linger(play):
    """Let a head that was let in have all the time it needs, however slow this machine is."""
    return lambda: play.change(
        "UPDATE gendurable.buckets SET turn_until = turn_until + interval '1 hour'"
    )


class TestTokens:
    def test_a_fresh_key_is_a_full_bucket(self, play, rate):
        """As many start at once as the bucket holds; the others wait for tokens."""
        rate(10, per=60, burst=4)
        ids = play.rows_of(6, rate_limit="r")

        assert play.started() == ids[:4]
        assert play.waits(*ids[4:]) == ["rate", "rate"]

    def test_each_key_has_a_bucket(self, play, rate):
        """Keys of one name share the rate and not the tokens."""
        rate(1, per=60)
        ids = [play.rows_of(2, rate_limit=key)[0] for key in ("r", ("r", 1), ("r", "x"))]

        assert play.started() == ids

    def test_flow_in(self, play, rate, later):
        """Tokens come evenly: ten in 60,000 seconds is one in 6,000."""
        rate(10, per=60_000, burst=2)
        ids = play.rows_of(6, rate_limit="r")
        assert play.started() == ids[:2]
        later(5500)
        assert play.started() == []
        later(600)
        assert play.started() == ids[2:3]
        later(3_600_000)
        assert play.started() == ids[3:5]

    def test_zero_never_refills(self, play, rate, later):
        """A bucket without a rate lets exactly its burst start, ever."""
        rate(0, per=1, burst=5)
        ids = play.rows_of(10, rate_limit="r")
        assert play.started() == ids[:5]
        later(1_000_000)
        assert play.started() == []
        assert play.waits(*ids[5:]) == ["rate"] * 5

    def test_the_exact_instant_of_the_next_start(self, play, rate):
        """The bucket knows when its head may start, and not a microsecond later."""
        rate(3, per=1000, burst=1)
        play.rows_of(2, rate_limit="r")
        play.start()
        bucket = play.bucket("r")

        assert (bucket.head_at - bucket.at).total_seconds() == 333.333334

    def test_weights(self, play, rate, later):
        """Each takes as many tokens as it weighs."""
        rate(10, per=10_000, burst=10)
        ids = [play.rows_of(1, rate_limit="r", weight=weight)[0] for weight in (3, 4, 3, 1)]

        assert play.started() == ids[:3]
        later(1100)
        assert play.started() == ids[3:]

    def test_every_execution_takes_some(self, play, rate):
        """A step that runs again takes its tokens again; there is no refund."""
        rate(0, per=1, burst=3)
        (id,) = play.rows_of(1, rate_limit="r")
        for _ in range(2):
            play.end(*play.start(), outcome=gd.Retry())
        claims = play.start()
        play.expire(id)
        play.reap()
        play.change("UPDATE gendurable.instances SET eligible_at = statement_timestamp()")

        assert [one.attempt for one in claims] == [2]
        assert play.started() == []
        assert play.waits(id) == ["rate"]

    def test_go_for_the_next_execution_only(self, play, rate):
        """Whatever does not name a rate again goes on without."""
        rate(0, per=1, burst=1)
        (id,) = play.rows_of(1, rate_limit="r", weight=1)
        play.end(*play.start(), outcome=gd.Next("then"))

        assert (play.row(id).rate_limit, play.row(id).weight) == (None, 1)
        assert play.started() == [id]

    @pytest.mark.parametrize(
        "outcome",
        [
            gd.Next("then", rate_limit=("r", 7), weight=2),
            gd.Await("go", then="then", rate_limit=("r", 7), weight=2),
            gd.ScheduleChildren([Actor()], then="then", rate_limit=("r", 7), weight=2),
        ],
    )
    def test_an_outcome_may_ask_for_them(self, play, rate, outcome):
        """An outcome says what its next execution takes."""
        rate(2, per=60)
        id = play.actor()
        play.end(*play.start(), outcome=outcome)

        assert (play.row(id).rate_limit, play.row(id).weight) == ("r:7", 2)

    def test_are_shared_by_queues(self, play, rate, later, linger):
        """Rows of several queues take from one bucket: first who has waited longest."""
        rate(1, per=1000)
        here = play.rows_of(2, rate_limit="r")
        there = play.rows_of(2, rate_limit="r", queue="other")
        assert play.started() == here[:1]
        assert play.started(queue="other") == []
        elapse(play.durable, 1000)
        assert play.ripen() == {"default"}
        linger()

        assert play.started(queue="other") == []
        assert play.started() == here[1:2]
        later(1000)
        assert play.started(queue="other") == there[:1]


class TestSeveralQueues:
    @pytest.fixture
    def heavy(self, play, rate) -> int:
        """The bucket is empty; a row of queue "a" waits for eight of its ten tokens."""
        rate(10, per=1000, burst=10)
        play.rows_of(1, rate_limit="r", weight=10)
        play.start()
        (id,) = play.rows_of(1, rate_limit="r", weight=8, queue="a")
        assert play.started(queue="a") == []
        return id

    @pytest.mark.parametrize("queue", ["0", "z"])
    def test_nothing_light_passes_a_heavy_head_that_has_waited_longer(
        self, play, later, linger, heavy, queue
    ):
        """Tokens are kept for it; what is left over goes to the others then."""
        light = play.rows_of(3, rate_limit="r", queue=queue, priority=-5)
        later(300)
        assert play.started(queue=queue) == []
        later(510)
        linger()
        assert play.started(queue=queue) == []
        assert play.started(queue="a") == [heavy]
        later(100)

        assert play.started(queue=queue) == light[:1]

    def test_a_newcomer_does_not_pass_a_head_whose_turn_it_is(self, play, linger, heavy):
        """Between the moment when it is let in and its claim nobody takes its tokens."""
        elapse(play.durable, 810)
        assert play.ripen() == {"a"}
        linger()
        light = play.rows_of(1, rate_limit="r", queue="b")

        assert play.started(queue="b") == []
        assert play.started(queue="a") == [heavy]
        assert play.waits(*light) == ["rate"]

    def test_a_head_that_does_not_take_its_turn_holds_up_nobody(self, play, later, heavy):
        """Where no worker has a slot for it others go on, however many wait behind it."""
        play.rows_of(3, rate_limit="r", queue="a", weight=8)
        light = play.rows_of(20, rate_limit="r", queue="b")
        play.started(queue="a")
        later(810)
        later(0.3)
        assert play.started(queue="b") == light[:8]
        later(250)
        assert play.started(queue="b") == light[8:10]
        later(800)

        assert play.started(queue="a") == [heavy]

    @pytest.mark.parametrize("hold", ["queue", "row"])
    def test_what_is_paused_holds_up_nobody(self, play, later, heavy, hold):
        """A head that may not start, or whose queue may not, keeps no tokens."""
        if hold == "queue":
            play.durable.pause(queue="a")
        else:
            play.durable.pause(heavy)
        light = play.rows_of(2, rate_limit="r", queue="b")
        later(110)

        assert play.started(queue="b") == light[:1]

    def test_a_head_whose_key_is_full_holds_up_nobody(self, play, later, rate):
        """It waits for something else."""
        rate(10, per=1000, burst=10)
        play.rows_of(1, rate_limit="r", weight=10)
        play.start()
        play.rows_of(1, rate_limit="r", weight=8, queue="a", concurrency_key="k")
        assert play.started(queue="a") == []
        play.rows_of(1, concurrency_key="k")
        assert len(play.started()) == 1
        light = play.rows_of(2, rate_limit="r", queue="b")
        later(110)

        assert play.started(queue="b") == light[:1]

    def test_a_queue_that_nobody_serves_holds_up_nobody(self, play, later, heavy):
        """Where workers live, a head counts whose queue one of them serves."""

        def serve(*queues: str) -> None:
            later(110)
            with play.engine.begin() as conn:
                leases.leave(conn, play.db, "w")
                leases.beat(conn, play.db, "w", list(queues), "[]")

        light = play.rows_of(2, rate_limit="r", queue="b")
        serve("b")
        assert play.started(queue="b") == light[:1]
        serve("a", "b")

        assert play.started(queue="b") == []

    def test_a_head_that_somebody_holds_holds_up_nobody(self, play, later, heavy, conn):
        """A row that is locked is passed over, here as within its queue."""
        light = play.rows_of(2, rate_limit="r", queue="b")
        later(110)
        with conn.begin():
            play.lock(conn, heavy)

            assert play.started(queue="b") == light[:1]

    def test_a_stream_of_light_ones_starves_nobody(self, durable, play, heavy, eventually):
        """With a worker the heavy one starts although there is always somebody with less."""
        durable.set_limit("r", gd.RateLimit(10, per=1, burst=10))
        with durable.worker(queues={"a": 1, "b": 2}, gc=False):

            def done() -> bool:
                play.rows_of(1, rate_limit="r", queue="b")
                return durable.instance(heavy).status == "done"

            eventually(done)


class TestRoom:
    def test_what_a_claim_leaves_may_start_at_once(self, play, rate, later):
        """A worker of one slot takes the tokens that are there as fast as it can."""
        rate(1, per=1000, burst=4)
        play.rows_of(4, rate_limit="r")
        play.start()
        ids = play.rows_of(4, rate_limit="r")
        assert play.started() == []
        later(4000)
        order = []
        for _ in ids:
            order += play.started(1)
            assert play.bucket("r").head_at is None or play.ripen() in (set(), {"default"})

        assert order == ids

    def test_a_drain_starts_all_that_have_tokens(self, durable, rate, play):
        """Also one that lets no time pass."""
        rate(10, per=10_000, burst=10)
        play.rows_of(1, rate_limit="r", weight=10)
        play.start()
        play.rows_of(8, rate_limit="r")
        drain(durable, with_scheduled=False)
        elapse(durable, 6_500)

        assert drain(durable, with_scheduled=False) == {"done": 6}


class TestOrder:
    def test_nothing_light_passes_a_heavy_head(self, play, rate, later):
        """Who waits for many tokens gets them, though others could do with what is there."""
        rate(10, per=10_000, burst=10)
        first = play.rows_of(1, rate_limit="r", weight=6)
        heavy = play.rows_of(1, rate_limit="r", weight=10)
        light = play.rows_of(3, rate_limit="r")

        assert play.started() == first
        assert play.waits(*heavy, *light) == ["rate"] * 4
        more = play.rows_of(2, rate_limit="r")
        assert play.started() == []
        later(6100)
        assert play.started() == heavy
        later(5100)
        assert play.started() == [*light, *more]

    def test_by_urgency(self, play, rate, later):
        """Of those that wait for tokens the most urgent is next."""
        rate(1, per=1000)
        play.rows_of(1, rate_limit="r")
        play.start()
        late = play.rows_of(1, rate_limit="r", priority=5)
        usual = play.rows_of(2, rate_limit="r")
        assert play.start() == []
        soon = play.rows_of(1, rate_limit="r", priority=-5)
        order = []
        for _ in range(4):
            later(1000)
            order += play.started()

        assert order == [*soon, *usual, *late]

    def test_a_head_held_by_its_key_holds_up_nobody(self, play, rate):
        """Who could not start if there were tokens lets others have them."""
        rate(0, per=1, burst=3)
        play.rows_of(1, concurrency_key="a")
        play.start()
        heads = play.rows_of(20, concurrency_key="a", rate_limit="r", weight=3)
        light = play.rows_of(3, rate_limit="r")

        assert play.started(10) == light
        assert set(play.waits(*heads)) <= {None, "key"}

    def test_heads_that_wait_for_tokens_and_then_for_their_key(self, play, rate, later):
        """The same if they came to wait for tokens first."""
        rate(1, per=1000)
        play.rows_of(1, rate_limit="r")
        play.start()
        heads = play.rows_of(5, concurrency_key="a", rate_limit="r")
        assert play.start() == []
        play.rows_of(1, concurrency_key="a", priority=-1)
        play.start()
        light = play.rows_of(1, rate_limit="r")
        assert play.started() == []
        later(1000)

        assert play.started() == light
        assert play.waits(*heads) == ["key"] * 5

    def test_a_head_whose_key_was_not_looked_at_is_not_passed(self, play, rate, later):
        """A claim that meets it among those that wait judges it in its next turn."""
        rate(2, per=1000)
        play.rows_of(2, rate_limit="r")
        play.start()
        ids = play.rows_of(1, rate_limit="r")
        ids += play.rows_of(1, rate_limit="r", concurrency_key="a")
        light = play.rows_of(1, rate_limit="r")
        assert play.start() == []
        later(1000)

        assert play.started() == ids
        assert play.waits(*light) == ["rate"]

    def test_a_row_without_tokens_takes_no_slot(self, play, rate):
        """Who waits for tokens leaves its key to those that need none."""
        rate(0, per=1, burst=1)
        play.rows_of(1, rate_limit="r")
        play.start()
        dry = play.rows_of(20, concurrency_key="a", rate_limit="r")
        plain = play.rows_of(2, concurrency_key="a")

        claims = play.start(5)
        assert [one.id for one in claims] == plain[:1]
        assert play.executing("a") == 1
        assert set(play.waits(*dry)) <= {"rate", "key"}
        play.end(*claims)
        assert play.started(5) == plain[1:]

    def test_a_row_without_a_slot_takes_no_tokens(self, play, rate):
        """Who waits for its key leaves the tokens to others."""
        rate(0, per=1, burst=2)
        ids = play.rows_of(3, concurrency_key="a", rate_limit="r")
        other = play.rows_of(2, rate_limit="r")

        assert play.started() == [ids[0], other[0]]
        assert play.waits(*ids[1:], other[1]) == ["key", "key", "rate"]

    def test_rows_behind_many_others_are_reached(self, play, rate):
        """What waits for tokens is in nobody's way, however much of it there is."""
        rate(0, per=1, burst=1)
        play.rows_of(500, rate_limit="r", priority=-1)
        plain = play.rows_of(2)
        tries = count()
        play.turn = lambda *args, turn=play.turn, **kw: (next(tries), turn(*args, **kw))[1]

        assert play.started(10)[1:] == plain
        assert next(tries) < 6


class TestRefusals:
    def test_an_unknown_rate(self, durable):
        """A rate that nobody configures is refused at the insert, which leaves no trace."""
        for insert in (
            lambda: durable.insert(Actor(), rate_limit="nobody:7"),
            lambda: durable.insert_all([Actor(), gd.Spawn(Actor(), rate_limit=("nobody", 7))]),
        ):
            with pytest.raises(UnknownLimit, match="there is no limit 'nobody'"):
                insert()
        assert drain(durable) == {}

    def test_a_weight_above_the_burst(self, durable, rate):
        """What could never have its tokens is refused, too."""
        rate(100, per=1, burst=5)
        parent = durable.insert(Actor(), delay=60)
        for insert in (
            lambda: durable.insert(Actor(), rate_limit="r", weight=6),
            lambda: durable.insert_all([gd.Spawn(Actor(), rate_limit=("r", 1), weight=6)]),
            lambda: durable.schedule_children(
                parent, [gd.Spawn(Actor(), rate_limit="r", weight=6)]
            ),
        ):
            with pytest.raises(InvalidInput, match="weight=6 is above the burst 5 of 'r'"):
                insert()
        durable.insert(Actor(), rate_limit="r", weight=5)

    def test_what_a_binding_declares_is_known_at_once(self, engine):
        """No worker needs to have started."""
        durable = gd.bind(engine, rate_limits={"r": gd.RateLimit(1, burst=2)})
        durable.insert(Actor(), rate_limit="r", weight=2)
        with pytest.raises(InvalidInput):
            durable.insert(Actor(), rate_limit="r", weight=3)
        durable.notifier.close()

    @pytest.mark.parametrize(
        "arguments",
        [(-1,), (1, 0), (1, -1), (0,), (1, 1, 0), (1.5,), (True,), (2**31,), (1, float("nan"))],
    )
    def test_no_rates(self, arguments):
        """A rate is a number of tokens in a time, and a bucket that holds at least one."""
        with pytest.raises(ConfigError):
            gd.RateLimit(*arguments)

    @pytest.mark.parametrize("limit", [0, -1, 1.5, True, "1", 2**31])
    def test_no_limits(self, limit):
        """Of a key that lets nobody in nothing would ever run."""
        with pytest.raises(ConfigError):
            gd.ConcurrencyLimit(limit)

    @pytest.mark.parametrize("weight", [0, -1, 1.5, True, 2**31])
    def test_no_weights(self, durable, rate, weight):
        """A weight is a positive integer."""
        rate(100)
        with pytest.raises(InvalidInput, match="positive integer"):
            durable.insert(Actor(), rate_limit="r", weight=weight)
        with pytest.raises(InvalidOutcome, match="positive integer"):
            gd.Next("then", rate_limit="r", weight=weight)

    @pytest.mark.parametrize(
        "outcome",
        [
            lambda: gd.Next("then", rate_limit="r", weight=6),
            lambda: gd.Await("go", then="then", rate_limit="r", weight=6),
            lambda: gd.ScheduleChildren([Actor()], then="then", rate_limit="r", weight=6),
            lambda: gd.ScheduleChildren([gd.Spawn(Actor(), rate_limit="r", weight=6)], then="then"),
        ],
    )
    def test_a_weight_above_the_burst_in_an_outcome(self, durable, rate, outcome):
        """It is an error of the step, and ``handle`` has the word."""
        rate(100, per=1, burst=5)
        errors: list[Exception] = []
        SCRIPT["start"] = lambda obj, ctx: outcome()
        SCRIPT["handle"] = lambda error, ctx: errors.append(error) or gd.Done("handled")
        handle = durable.insert(Actor())

        drain(durable)

        assert [type(error) for error in errors] == [InvalidOutcome]
        assert durable.instance(handle).result == "handled"

    @pytest.mark.parametrize(("burst", "ends"), [(20, "done"), (3, "failed")])
    def test_the_burst_that_holds_is_that_of_the_moment(self, durable, rate, burst, ends):
        """A step whose rate was changed while it ran is judged by what is in force now."""
        rate(100, per=1, burst=10)
        SCRIPT["handle"] = lambda error, ctx: gd.Stop(error)

        def start(obj, ctx):
            rate(100, per=1, burst=burst)
            return gd.Next("then", rate_limit="r", weight=5 if burst < 5 else 15)

        SCRIPT["start"] = start
        handle = durable.insert(Actor())
        drain(durable)

        assert durable.instance(handle).status == ends

    @pytest.mark.parametrize(("burst", "ends"), [(20, "done"), (3, "failed")])
    def test_the_same_in_a_worker(self, durable, rate, burst, ends, eventually):
        """It does not wait for the next sweep to know."""
        rate(100, per=1, burst=10)
        SCRIPT["handle"] = lambda error, ctx: gd.Stop(error)
        SCRIPT["start"] = lambda obj, ctx: gd.Next(
            "then", rate_limit="r", weight=5 if burst < 5 else 15
        )
        with durable.worker(gc=False):
            eventually(lambda: durable.bursts.get("r") == 10)
            rate(100, per=1, burst=burst)
            handle = durable.insert(Actor())
            eventually(lambda: durable.instance(handle).status in ("done", "failed"))

        assert durable.instance(handle).status == ends


class TestUnknown:
    @pytest.fixture
    def stranger(self, play) -> int:
        """A row that waits for a rate that nobody configures."""
        id = play.actor()
        play.end(*play.start(), outcome=gd.Next("then", rate_limit=("new", 1), weight=3))
        return id

    def test_waits_and_is_told_of(self, play, stranger, caplog):
        """The row waits; an event and the log say for what."""
        claim._warn_rate.cache_clear()
        heard: list[dict] = []
        listener = events.rate_limit_unknown.connect(lambda sender, **f: heard.append(f))
        with caplog.at_level(logging.WARNING, "gendurable"):
            assert play.start() == []

        assert listener
        assert play.waits(stranger) == ["rate"]
        assert [(one["key"], one["name"], one["fsm"]) for one in heard] == [
            ("new:1", "new", "races.Actor")
        ]
        assert "'new', which nobody configures" in caplog.text

    @pytest.mark.parametrize("rate", [gd.RateLimit(0, burst=3), gd.RateLimit(1, per=3600, burst=3)])
    def test_starts_when_the_rate_appears(self, play, stranger, rate):
        """The bucket of a name that is new is full, as any fresh one is."""
        assert play.start() == []
        play.durable.set_limit("new", rate)
        play.sweep()
        play.ripen()

        assert play.started() == [stranger]
        assert play.bucket("new:1").level == 0

    def test_is_told_of_when_the_rate_goes(self, durable, play, eventually):
        """Of those who wait already a worker tells once, and so does one that starts later."""
        heard: list[tuple] = []

        def hear(sender, *, key, name, count, fsm, step, **rest):
            heard.append((key, name, count, fsm, step))

        durable.set_limit("r", gd.RateLimit(1, per=36_000))
        waiting = [play.actor(rate_limit=("r", "x")) for _ in range(3)][1:]
        with events.rate_limit_unknown.connected_to(hear):
            with durable.worker(gc=False):
                eventually(lambda: [play.waits(id) for id in waiting] == [["rate"]] * 2)
                assert heard == []
                durable.set_limit("r", None)
                eventually(lambda: heard)
            with durable.worker(gc=False):
                eventually(lambda: len(heard) > 1)

        assert heard == [("r:x", "r", 2, "races.Actor", "start")] * 2

    def test_is_looked_at_again_when_the_rate_appears(self, durable, play, stranger, eventually):
        """A worker finds out within a second or so."""
        with durable.worker(gc=False):
            eventually(lambda: play.waits(stranger) == ["rate"])
            durable.set_limit("new", gd.RateLimit(0, burst=3))
            eventually(lambda: play.row(stranger).status == "done")

    def test_holds_up_nobody_else(self, play, stranger):
        """Others go on."""
        plain = play.actor()
        assert play.started() == [plain]


class TestExplain:
    def test_a_bucket_that_never_refills(self, durable, play, rate):
        """Nobody is told a date on which it would."""
        rate(0, per=1, burst=1)
        ids = play.rows_of(2, rate_limit="r")
        play.start()
        answer = durable.explain(ids[1])

        assert "never refills" in answer.text
        assert "refills_at" not in answer.details


class TestChanges:
    def test_a_raised_rate_is_found_by_a_sweep(self, play, rate):
        """Who waits need not wait as long as the old rate said."""
        rate(1, per=1_000_000, burst=1)
        ids = play.rows_of(3, rate_limit="r")
        play.start()
        play.change("UPDATE gendurable.limits SET amount = 1000000, per_us = 1000000, burst = 2")
        play.sweep()
        assert play.ripen() == {"default"}

        assert play.started() == ids[1:]

    def test_a_raised_rate_lets_in_at_once(self, play, rate):
        """Whoever raises a rate lets in who waits, once that is committed, and needs no sweep."""
        rate(1, per=1_000_000, burst=1)
        ids = play.rows_of(3, rate_limit="r")
        play.start()
        rate(1_000_000, per=1, burst=2)

        assert play.started() == ids[1:]

    def test_of_a_limit_for_which_nobody_waits_writes_nothing_else(self, play, rate):
        """Rows that start anyway, and buckets without a head, are left alone."""
        rate(10, per=1)
        play.rows_of(1, rate_limit="r")
        play.start()
        before = play.rows("SELECT xmin::text, ctid::text FROM gendurable.buckets")
        rate(20, per=1)

        assert play.rows("SELECT xmin::text, ctid::text FROM gendurable.buckets") == before

    def test_a_claim_that_judges_by_the_old_rate(self, play, rate, conn):
        """A head that was reckoned by a rate which had just changed is found, too."""
        rate(1, per=1_000_000, burst=1)
        ids = play.rows_of(2, rate_limit="r")
        with conn.begin():
            play.turn(conn)
            rate(1_000_000, per=1, burst=2)
            play.sweep()
        play.sweep()
        play.ripen()

        assert play.started() == ids[1:]

    def test_changing_a_rate_holds_up_nobody(self, play, rate, conn):
        """An open transaction that changes a rate is in nobody's way."""
        rate(1, per=1_000_000, burst=1)
        play.rows_of(200, rate_limit="r")
        play.start()
        play.rows_of(200, rate_limit="r", priority=-1)
        plain = play.rows_of(2)
        with conn.begin():
            play.durable.set_limit("r", gd.RateLimit(5), session=conn)

            assert play.started(10) == plain

    @pytest.mark.parametrize(("per", "left"), [(10, 6), (3600, 6), (0.001, 6)])
    def test_of_the_time_keeps_the_tokens(self, play, rate, per, left):
        """Tokens are tokens, whatever the time in which they flow in."""
        rate(0, per=60, burst=10)
        play.rows_of(4, rate_limit="r")
        play.start()
        rate(0, per=per, burst=10)
        play.rows_of(10, rate_limit="r")

        assert len(play.start()) == left

    def test_of_the_burst(self, play, rate):
        """A smaller bucket holds less at once; a larger one fills from what was there."""
        rate(0, per=60, burst=10)
        play.rows_of(4, rate_limit="r")
        play.start()
        rate(0, per=60, burst=20)
        play.rows_of(1, rate_limit="r", queue="other")
        assert len(play.start(queue="other")) == 1
        rate(0, per=60, burst=3)
        play.rows_of(10, rate_limit="r")

        assert len(play.start()) == 3

    def test_a_burst_below_the_weight_of_a_waiting_row(self, play, rate, later):
        """It starts when the bucket is full, and the bucket owes what was missing."""
        rate(10, per=10_000, burst=10)
        play.rows_of(1, rate_limit="r", weight=10)
        play.start()
        heavy = play.rows_of(1, rate_limit="r", weight=10)
        light = play.rows_of(1, rate_limit="r")
        assert play.start() == []
        rate(1, per=1000, burst=4)
        play.sweep()
        later(3500)
        assert play.started() == []
        later(600)
        assert play.started() == heavy
        bucket = play.bucket("r")
        assert -6 <= bucket.level / bucket.per_us < -5
        later(6500)
        assert play.started() == []
        later(600)
        assert play.started() == light

    def test_an_override_is_taken_back(self, play, rate):
        """Without a binding's word the rate is unknown then, and whoever needs it waits."""
        rate(1, per=1)
        (id,) = play.rows_of(1, rate_limit="r")
        play.durable.set_limit("r", None)
        assert play.start() == []
        assert play.waits(id) == ["rate"]
        with pytest.raises(UnknownLimit):
            play.durable.insert(Actor(), rate_limit="r")


class TestBuckets:
    def test_a_full_one_is_forgotten(self, play, rate):
        """A bucket that has long been full is not kept; the next claim finds it full."""
        rate(1, per=1000, burst=2)
        play.rows_of(2, rate_limit="r")
        play.end(*play.start())
        with play.engine.begin() as conn:
            assert buckets.forget(conn, play.db, 100) == 0
            elapse(play.durable, 10_000, session=conn)
            assert buckets.forget(conn, play.db, 100) == 1
        ids = play.rows_of(3, rate_limit="r")

        assert play.started() == ids[:2]

    def test_one_that_is_not_full_is_kept(self, play, rate):
        """What was taken from a bucket without refill stays taken."""
        rate(0, per=1, burst=2)
        play.rows_of(1, rate_limit="r")
        play.end(*play.start())
        with play.engine.begin() as conn:
            elapse(play.durable, 4000, session=conn)
            assert buckets.forget(conn, play.db, 100) == 0

    def test_one_that_vanished_is_made_anew(self, play, rate):
        """A row is enough; a bucket that somebody deleted holds up nobody."""
        rate(1, per=1_000_000, burst=1)
        ids = play.rows_of(3, rate_limit="r")
        play.start()
        play.change("DELETE FROM gendurable.buckets")
        play.change("UPDATE gendurable.instances SET blocked = NULL WHERE id = :id", id=ids[1])

        assert play.started() == ids[1:2]


class TestDrain:
    def test_lets_tokens_flow(self, durable, rate):
        """A drain takes no time, however slow the rate is."""
        rate(1, per=86_400)
        durable.insert_all([gd.Spawn(Actor(), rate_limit="r") for _ in range(5)])

        assert drain(durable) == {"done": 5}

    def test_of_several_rates(self, durable, rate):
        """Also where one of them never refills, and one is not known."""
        rate(1, per=3600)
        durable.set_limit("never", gd.RateLimit(0, burst=2))
        SCRIPT["start"] = lambda obj, ctx: (
            gd.Next("then", rate_limit="unknown") if obj.note else gd.Done()
        )
        durable.insert_all(
            [gd.Spawn(Actor(), rate_limit=("r", n % 2)) for n in range(6)]
            + [gd.Spawn(Actor(), rate_limit="never") for _ in range(5)]
            + [Actor(note="unknown")]
        )

        assert drain(durable) == {"done": 8, "next": 1}

    def test_without_what_is_scheduled(self, durable, rate, play):
        """Tokens that would flow in later are not waited for."""
        rate(1, per=3600)
        play.rows_of(3, rate_limit="r")

        assert drain(durable, with_scheduled=False) == {"done": 1}
        elapse(durable, 3600)
        assert drain(durable, with_scheduled=False) == {"done": 1}

    def test_of_one_queue(self, durable, rate, play, conn):
        """What waits in another queue, or is held by somebody, does not keep it from ending."""
        rate(1, per=3600)
        ids = play.rows_of(3, rate_limit="r")
        play.rows_of(2, rate_limit="r", queue="other")
        play.start()
        play.start(queue="other")
        with conn.begin():
            play.lock(conn, *ids[1:])
            assert drain(durable, queue="other") == {"done": 2}
        table = durable.Instance.__table__
        with play.engine.begin() as reader:
            assert reader.scalars(select(table.c.id).where(table.c.status == "done")).all()
            assert reader.scalar(text("SELECT count(*) FROM gendurable.buckets")) == 1
