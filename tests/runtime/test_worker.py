"""A worker from end to end: it runs what is due, when it is due, and leaves in good order."""

from __future__ import annotations

import gc
import os
import threading
from datetime import timedelta
from math import inf
from queue import SimpleQueue
from time import monotonic

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.pool import AssertionPool, NullPool, SingletonThreadPool, StaticPool

import gendurable as gd
from gendurable import events
from gendurable.runtime.crew import Crew
from gendurable.runtime.steps import Pool

#: What steps and tests tell each other, by the name of the test.
BOARD: dict[str, SimpleQueue] = {}


def board(name: str) -> SimpleQueue:
    return BOARD.setdefault(name, SimpleQueue())


@pytest.fixture(autouse=True)
def clean():
    BOARD.clear()


class Note(gd.Job, name="runtime.note"):
    """Writes down that it ran."""

    n: int = 0

    def perform(self, ctx):
        board("ran").put((self.n, ctx.attempt, threading.current_thread().name))


class Hold(gd.Job, name="runtime.hold"):
    """Runs until it is let go."""

    n: int = 0

    def perform(self, ctx):
        board("began").put(ctx)
        return board("go").get(timeout=20)


class Count(gd.FSM, name="runtime.count"):
    """Three steps after each other."""

    n: int = 0

    @gd.step(initial=True)
    def go(self, ctx: gd.Context) -> gd.Outcome:
        self.n += 1
        return gd.Done(self.n) if self.n == 3 else gd.Next(self.go)


class Rows(gd.FSM, name="runtime.rows"):
    """Three steps after each other that each use their session; says which thread ran them."""

    n: int = 0

    @gd.step(initial=True)
    def go(self, ctx: gd.Context) -> gd.Outcome:
        ctx.session.execute(text("SELECT 1"))
        board("threads").put(threading.get_ident())
        self.n += 1
        return gd.Done(self.n) if self.n == 3 else gd.Next(self.go)


class Parked(gd.FSM, name="runtime.parked"):
    """Waits for a signal, or for its deadline."""

    timeout: float = 60

    @gd.step(initial=True)
    def start(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Await("go", then=self.woke, timeout=self.timeout)

    @gd.step
    def woke(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Done({"timed_out": ctx.timed_out, "names": list(ctx.awaited.names)})


class Later(gd.Job, name="runtime.later"):
    """An asynchronous step."""

    async def perform(self, ctx):
        return "later"


class Die(gd.Job, name="runtime.die", max_crashes=2):
    """Raises what no handler can answer for."""

    def perform(self, ctx):
        raise SystemExit(3)


class Slow(gd.FSM, name="runtime.slow", step_timeout=0.05):
    """Runs longer than it may, and answers for it in its handler."""

    @gd.step(initial=True)
    def start(self, ctx: gd.Context) -> gd.Outcome:
        board("ran").put(ctx.attempt)
        board("go").get(timeout=20)
        return gd.Done("too late")

    def handle(self, error: Exception, ctx: gd.Context) -> gd.Outcome:
        return gd.Done(type(error).__name__)


class Alive(gd.Job, name="runtime.alive"):
    """Asks for a longer lease when told to."""

    def perform(self, ctx):
        board("ran").put(ctx.id)
        while board("go").get(timeout=20) == "beat":
            ctx.heartbeat()
            board("beaten").put(True)


def row(engine, id):
    with engine.connect() as conn:
        return conn.execute(
            text("SELECT * FROM gendurable.instances WHERE id = :id"), {"id": int(id)}
        ).one()


def statuses(engine):
    with engine.connect() as conn:
        return dict(
            conn.execute(
                text("SELECT status::text, count(*) FROM gendurable.instances GROUP BY 1")
            ).all()
        )


def hold_what_goes_back(engine, conn):
    """Lock what executes, in *conn*, when something is first given back; the board says "tried"."""
    tries = []

    @event.listens_for(engine, "before_cursor_execute")
    def hold(_, cursor, statement, parameters, *rest):
        if "spent" in parameters:
            tries.append(parameters)
            if len(tries) == 1:
                conn.execute(HOLD)

    @event.listens_for(engine, "after_cursor_execute")
    def tell(_, cursor, statement, parameters, *rest):
        if "spent" in parameters:
            board("tried").put(len(tries))


HOLD = text("SELECT 1 FROM gendurable.instances WHERE status = 'executing' FOR NO KEY UPDATE")


@pytest.fixture
def unpolled(engine):
    """A binding whose workers hear of what they have to do, or do not know it for an hour."""
    durable = gd.bind(engine, poll_interval=3600, poll_max=3600)
    yield durable
    durable.notifier.close()


@pytest.fixture
def far(monkeypatch):
    """However slow this machine is, rows that are claimed ahead would start soon enough."""
    monkeypatch.setattr("gendurable.runtime.steps.HORIZON", 60.0)


@pytest.fixture
def worker(durable):
    """Start a worker with these settings; it is stopped when the test ends."""
    started = []

    def worker(binding=durable, **settings):
        settings.setdefault("gc", False)
        started.append(binding.worker(**settings))
        started[-1].start()
        return started[-1]

    yield worker
    for one in started:
        for _ in range(50):
            board("go").put("done")
        one.stop()


class TestWork:
    def test_runs_what_is_inserted(self, durable, worker):
        """Instances inserted before and after the start run to their ends."""
        before = durable.insert(Count())
        worker()
        after = durable.insert(Count())

        assert durable.wait(before, 10, "terminal").result == 3
        assert durable.wait(after, 10, "terminal").result == 3

    def test_runs_what_another_process_inserted(self, url, unpolled, worker):
        """News from elsewhere comes by NOTIFY: nobody has to look for it."""
        durable = unpolled
        elsewhere = create_engine(url)
        other = gd.bind(elsewhere, name="other")
        worker(durable)
        durable.wait(durable.insert(Note()), 10, "terminal")
        board("ran").get(timeout=5)
        for n in range(20):
            other.insert(Note(n=n))
            assert board("ran").get(timeout=20)[0] == n

        other.notifier.close()
        elsewhere.dispose()

    def test_runs_without_any_news(self, engine, worker):
        """What was inserted behind its back is found by polling."""
        worker()
        with engine.begin() as conn:
            conn.execute(
                text(
                    "INSERT INTO gendurable.instances (fsm, step, state)"
                    " VALUES ('runtime.note', 'perform', '{}')"
                )
            )

        assert board("ran").get(timeout=10)

    def test_starts_what_is_due_later_when_it_is_due(self, unpolled, worker):
        """An idle worker sleeps until the next row is due, and neither shorter nor longer."""
        durable = unpolled
        worker(durable)
        durable.wait(durable.insert(Note()), 10, "terminal")
        board("ran").get(timeout=5)
        began = monotonic()
        durable.insert(Note(), delay=timedelta(milliseconds=300))

        board("ran").get(timeout=20)  # nobody polls so soon

        assert monotonic() - began > 0.29

    def test_fires_deadlines_when_they_pass(self, durable, worker):
        """A deadline fires on an idle engine, and not before it has come."""
        worker()
        began = monotonic()

        settled = durable.wait(durable.insert(Parked(timeout=0.3)), 10, "terminal")

        assert settled.result == {"timed_out": True, "names": []}
        assert monotonic() - began > 0.29

    def test_steps_with_a_session_go_on_in_their_thread(self, durable, worker):
        """What ran ahead in its own commit wakes no other thread for its next step."""
        worker()
        handle = durable.insert(Rows())

        assert handle.wait(timeout=10, until="terminal").result == 3
        assert len({board("threads").get(timeout=1) for _ in range(3)}) == 1

    def test_signals_wake(self, durable, worker):
        """A signal to a parked instance runs its next step at once."""
        worker()
        handle = durable.insert(Parked())
        assert durable.wait(handle, 10).status == "awaiting_signal"

        durable.signal(handle, "go")

        assert durable.wait(handle, 10, "terminal").result["names"] == ["go"]

    def test_each_queue_has_its_slots(self, durable, worker):
        """A queue whose slots are taken holds up no other."""
        worker(queues={"default": 1, "mail": 1})
        for _ in range(3):
            durable.insert(Hold())
        board("began").get(timeout=5)

        note = durable.insert(Note(), queue="mail")

        assert durable.wait(note, 10, "terminal").status == "done"
        assert board("ran").get(timeout=5)
        assert board("began").empty()  # no second one has started

    def test_asynchronous_steps(self, durable, worker):
        """A coroutine runs on the worker's event loop."""
        worker()

        assert durable.wait(durable.insert(Later()), 10, "terminal").result == "later"

    def test_what_is_no_exception_does_not_end_it(self, durable, engine, worker):
        """A step that raises SystemExit counts as a crash, and costs the worker nothing."""
        worker(queues={"default": 1})
        die = durable.insert(Die())

        settled = durable.wait(die, 10, "terminal")

        assert settled.status == "failed"
        assert "crash budget exhausted" in settled.last_error
        assert settled.last_error.endswith("; SystemExit: 3")
        assert durable.wait(durable.insert(Count()), 10, "terminal").result == 3

    def test_many(self, durable, engine, worker):
        """A few thousand instances in several queues all run, each once a step."""
        worker(queues={"default": 10, "mail": 5})
        durable.insert_all(gd.Spawn(Count(), queue=q) for q in ("default", "mail") * 1000)

        handles = durable.insert_all([Note(n=n) for n in range(500)])

        for handle in handles[-20:]:
            durable.wait(handle, 20, "terminal")
        end = monotonic() + 20
        while statuses(engine) != {"done": 2500}:
            assert monotonic() < end, statuses(engine)
            threading.Event().wait(0.01)
        assert sorted(board("ran").get()[0] for _ in range(500)) == list(range(500))

    def test_a_worker_says_which_of_its_queues_nothing_comes_to(self, durable, worker, caplog):
        """A machine's queue is one, and a schedule's; another may be a slip, or used by hand."""
        durable.schedule("count", Count(), cron="0 3 * * *", queue="nightly")
        worker(queues={"default": 1, "defualt": 1, "nightly": 1})

        assert "serves defualt, which no machine of this binding uses" in caplog.text

    @pytest.mark.parametrize(("served", "warned"), [("default", False), ("elsewhere", True)])
    def test_a_worker_that_nothing_comes_to_says_so(self, worker, caplog, served, warned):
        """None of its queues is any machine's: that is a slip, and it names those that are."""
        worker(queues={served: 1})

        assert ("serves no queue that a machine" in caplog.text) is warned
        assert ("default" in caplog.text) or not warned


class TestClaims:
    @pytest.mark.usefixtures("far")
    def test_what_does_not_start_goes_back_as_it_was(self, durable, engine, worker, eventually):
        """When steps turn slow, rows claimed ahead return to the queue within a moment."""
        one = worker(queues={"default": 1})
        for n in range(30):
            durable.insert(Note(n=n))
        eventually(lambda: statuses(engine) == {"done": 30})
        durable.insert_all([Hold() for _ in range(50)])
        board("began").get(timeout=5)

        eventually(lambda: statuses(engine) == {"done": 30, "executing": 1, "runnable": 49})

        assert one.health.held == 1
        with engine.connect() as conn:
            query = "SELECT DISTINCT attempt, crashes FROM gendurable.instances"
            assert conn.execute(text(query)).all() == [(0, 0)]

    @pytest.mark.usefixtures("far")
    def test_what_somebody_holds_goes_back_as_it_was(
        self, durable, engine, worker, conn, eventually
    ):
        """A row that cannot be given back now stays in the worker's hands until it can."""
        worker(queues={"default": 1})
        for n in range(30):
            durable.insert(Note(n=n))
        eventually(lambda: statuses(engine) == {"done": 30})
        hold_what_goes_back(engine, conn)
        durable.insert_all([Hold() for _ in range(50)])
        board("tried").get(timeout=5)
        conn.rollback()

        eventually(lambda: statuses(engine) == {"done": 30, "executing": 1, "runnable": 49})
        with engine.connect() as other:
            query = "SELECT DISTINCT attempt, crashes FROM gendurable.instances"
            assert other.execute(text(query)).all() == [(0, 0)]

    def test_an_unknown_row_that_somebody_holds(self, durable, engine, worker, conn, eventually):
        """It is claimed already, and cannot be set aside at once: that comes later, no attempt."""
        with engine.begin() as setup:
            setup.execute(
                text(
                    "INSERT INTO gendurable.instances (fsm, step, state)"
                    " VALUES ('runtime.unborn', 'perform', '{}')"
                )
            )
        hold_what_goes_back(engine, conn)
        worker(reaper=False)
        board("tried").get(timeout=5)
        conn.rollback()

        eventually(lambda: statuses(engine) == {"runnable": 1})
        with engine.connect() as other:
            query = "SELECT attempt, crashes FROM gendurable.instances"
            assert other.execute(text(query)).all() == [(0, 0)]

    def test_a_slot_that_is_freed_while_it_is_asked_about(self, engine, monkeypatch):
        """Whoever finds no slot free sleeps until one is: also if that is in this very moment."""
        durable = gd.bind(engine, listen=False)
        crew = Crew(durable, durable.worker(queues={"default": 1})._settings, "w", lambda: None)
        claimer, pool = crew._claimer, crew._pools["default"]
        slot = pool.slots._idle.pop()
        claimer._queues["default"].due = inf
        monkeypatch.setattr(Pool, "ahead", property(lambda pool: pool.next(slot) or 0))

        assert claimer.tick() is None

        assert pool.slots.free == 1
        assert claimer.daemon._rung

    def test_a_claim_whose_answer_was_lost_goes_back(self, durable, engine, worker, eventually):
        """Rows that bear the worker's name and are not in its hands are given back at once."""
        one = worker(queues={"default": 1}, reaper=False)
        held = durable.insert(Hold())
        eventually(lambda: one.health.held == 1)
        stray = durable.insert(Note(n=7))
        with engine.begin() as conn:
            conn.execute(
                text(
                    "UPDATE gendurable.instances SET status = 'executing', locked_by = :me,"
                    " lease_expires_at = now() + interval '1 hour', claim_seq = claim_seq + 1"
                    " WHERE id = :id"
                ),
                {"me": one.name, "id": int(stray)},
            )

        one._crew._claimer.doubt()
        one._crew._claimer.daemon.wake()

        eventually(lambda: row(engine, stray).status == "runnable")
        assert row(engine, stray).attempt == 0
        assert row(engine, held).status == "executing"

    def test_set_aside_rows_are_taken_back(self, durable, engine, worker, eventually):
        """An unknown row harms nobody, and runs once a worker knows its machine."""
        with engine.begin() as conn:
            conn.execute(
                text(
                    "INSERT INTO gendurable.instances (fsm, step, state)"
                    " VALUES ('runtime.unborn', 'perform', '{}')"
                )
            )
        worker()
        assert durable.wait(durable.insert(Note()), 10, "terminal").status == "done"
        eventually(lambda: statuses(engine) == {"done": 1, "runnable": 1})

        class Unborn(gd.Job, name="runtime.unborn"):
            def perform(self, ctx):
                return None

        eventually(lambda: statuses(engine) == {"done": 2})


class TestLeases:
    @pytest.fixture
    def durable(self, engine):
        return gd.bind(engine, lease_ttl=60, heartbeat_interval=0.1)

    @pytest.fixture
    def calm(self, engine):
        """A binding that beats so rarely that no beat falls into the test."""
        return gd.bind(engine, lease_ttl=600, heartbeat_interval=300)

    def test_a_running_step_keeps_its_lease(self, durable, engine, worker):
        """A step may run for as long as it likes: the heartbeat extends its lease."""
        worker()
        handle = durable.insert(Hold())
        board("began").get(timeout=5)
        first = row(engine, handle).lease_expires_at
        end = monotonic() + 10
        while row(engine, handle).lease_expires_at <= first + timedelta(seconds=1.2):
            assert monotonic() < end
            threading.Event().wait(0.01)

        board("go").put("done")

        assert durable.wait(handle, 10, "terminal").attempt == 0

    def test_a_lost_claim_is_noticed(self, durable, engine, worker, eventually):
        """A step whose row was taken sees it in its context; its outcome is stale."""
        stale: SimpleQueue = SimpleQueue()
        receive = lambda sender, **fields: stale.put(fields)
        events.outcome_stale.connect(receive)
        worker(reaper=False)
        handle = durable.insert(Hold())
        context = board("began").get(timeout=5)
        assert not context.stopping

        durable.cancel(handle, "no longer wanted")

        eventually(lambda: context.stopping)
        board("go").put("done")
        assert stale.get(timeout=5)["id"] == int(handle)
        assert row(engine, handle).status == "cancelled"
        events.outcome_stale.disconnect(receive)

    def test_heartbeat_on_demand(self, calm, engine, eventually):
        """``ctx.heartbeat()`` extends now, waits for no lock, and raises when the claim is lost."""
        durable = calm
        one = durable.worker(reaper=False, gc=False)
        one.start()
        handle = durable.insert(Alive())
        board("ran").get(timeout=5)
        board("go").put("beat")
        assert board("beaten").get(timeout=5)

        with engine.connect() as conn, conn.begin():
            conn.execute(
                text("SELECT 1 FROM gendurable.instances WHERE id = :id FOR UPDATE"),
                {"id": int(handle)},
            )
            board("go").put("beat")
            assert board("beaten").get(timeout=5)
            held = row(engine, handle).lease_expires_at

        # What was skipped is tried again within a second or so.
        eventually(lambda: row(engine, handle).lease_expires_at > held)
        durable.cancel(handle, "enough")
        board("go").put("beat")  # raises LeaseLost, which ends the step as stale
        eventually(lambda: one.health.held == 0)
        assert board("beaten").empty()
        one.stop()

    def test_a_worker_is_listed_while_it_lives(self, durable, engine, worker, eventually):
        """Its row says which queues it serves and which machines it knows, and goes with it."""
        one = worker(queues={"default": 2, "mail": 1})
        query = text("SELECT name, queues, machines::text FROM gendurable.nodes")

        def nodes():
            with engine.connect() as conn:
                return conn.execute(query).all()

        eventually(nodes)
        ((name, queues, machines),) = nodes()
        assert (name, sorted(queues)) == (one.name, ["default", "mail"])
        assert '"runtime.count"' in machines
        one.stop()
        assert nodes() == []


class TestTimeouts:
    def test_a_step_beyond_its_time_is_an_error_of_the_step(self, durable, engine, worker):
        """The handler answers for it; what the abandoned thread returns is not wanted."""
        one = worker(queues={"default": 2})
        handle = durable.insert(Slow())

        assert durable.wait(handle, 10, "terminal").result == "StepTimeout"
        assert one.health.abandoned == 1
        board("go").put("late")
        assert durable.wait(durable.insert(Count()), 10, "terminal").result == 3

    def test_a_worker_without_threads_drains_and_exits(self, durable, worker, eventually):
        """As many abandoned threads as slots: it is unhealthy, and ends with a status for it."""
        one = durable.worker(queues={"default": 1}, gc=False)
        ended: SimpleQueue = SimpleQueue()
        threading.Thread(target=lambda: ended.put(one.run()), daemon=True).start()

        durable.insert(Slow())

        assert ended.get(timeout=10) == 1
        assert not one.health.ok
        board("go").put("late")


class TestRun:
    def test_the_collector_looks_seldom_while_it_runs(self, durable, eventually):
        """Only where the main thread is the worker's; afterwards the threshold is as before."""
        before = gc.get_threshold()
        one = durable.worker(gc=False)
        seen: list[tuple[int, int, int]] = []

        def watch() -> None:
            eventually(lambda: gc.get_threshold() != before)
            seen.append(gc.get_threshold())
            one.leave()

        watcher = threading.Thread(target=watch)
        watcher.start()
        assert one.run() == 0
        watcher.join(5)

        assert seen == [(10_000, *before[1:])]
        assert gc.get_threshold() == before
        assert gc.get_freeze_count() == 0

    def test_what_the_host_has_frozen_stays_frozen(self, durable, eventually):
        """A server that forks freezes its objects, for the sake of shared pages."""
        one = durable.worker(gc=False)
        gc.freeze()
        try:
            one.leave()
            assert one.run() == 0
            assert gc.get_freeze_count() > 0
        finally:
            gc.unfreeze()


class TestDrain:
    @pytest.fixture
    def durable(self, engine):
        return gd.bind(engine, drain_timeout=0.2)

    def test_running_steps_may_end(self, engine, worker, eventually):
        """A step that ends within the drain commits, and nothing new starts."""
        durable = gd.bind(engine, drain_timeout=60)
        one = worker(durable, queues={"default": 1})
        handles = [durable.insert(Hold()) for _ in range(2)]
        context = board("began").get(timeout=5)
        stopping = threading.Thread(target=one.stop)
        stopping.start()
        eventually(lambda: context.stopping)

        board("go").put("done")
        stopping.join(20)

        assert row(engine, handles[0]).status == "done"
        assert row(engine, handles[1]).status == "runnable"

    def test_what_still_runs_goes_back_one_attempt_older(self, durable, engine, worker):
        """A drain is no crash: attempt + 1, and the late outcome is stale."""
        one = worker(queues={"default": 1})
        handle = durable.insert(Hold())
        board("began").get(timeout=5)
        before = monotonic()

        one.stop()

        assert 0.2 <= monotonic() - before < 15  # the step itself waits for twenty
        after = row(engine, handle)
        assert (after.status, after.attempt, after.crashes) == ("runnable", 1, 0)

    def test_what_has_not_started_goes_back_as_it_was(self, durable, engine, worker, eventually):
        """Rows claimed ahead have no attempt more than before."""
        one = worker(queues={"default": 1})
        for n in range(30):
            durable.insert(Note(n=n))
        eventually(lambda: statuses(engine) == {"done": 30})
        durable.insert_all([Hold() for _ in range(50)])
        board("began").get(timeout=5)

        one.stop()

        with engine.connect() as conn:
            query = (
                "SELECT status::text, attempt, count(*) FROM gendurable.instances"
                " WHERE fsm = 'runtime.hold' GROUP BY 1, 2 ORDER BY 2"
            )
            assert conn.execute(text(query)).all() == [("runnable", 0, 49), ("runnable", 1, 1)]

    @pytest.mark.usefixtures("far")
    def test_what_somebody_holds_goes_back_as_it_was(
        self, durable, engine, worker, conn, eventually
    ):
        """A row that cannot be given back at once is tried again, as long as a drain may last."""
        durable = gd.bind(engine, drain_timeout=60)
        one = durable.worker(queues={"default": 1}, gc=False)
        one.start()
        for n in range(30):
            durable.insert(Note(n=n))
        eventually(lambda: statuses(engine) == {"done": 30})
        hold_what_goes_back(engine, conn)
        durable.insert_all([Hold() for _ in range(50)])
        board("began").get(timeout=5)
        stopping = threading.Thread(target=one.stop)
        stopping.start()
        board("tried").get(timeout=5)
        conn.rollback()
        board("go").put("done")
        stopping.join(10)

        with engine.connect() as other:
            query = (
                "SELECT status::text, attempt, count(*) FROM gendurable.instances"
                " WHERE fsm = 'runtime.hold' GROUP BY 1, 2 ORDER BY 1"
            )
            assert other.execute(text(query)).all() == [("done", 0, 1), ("runnable", 0, 49)]

    def test_can_start_again_under_another_name(self, durable, worker):
        """Each start has a name of its own, so that old claims are not mistaken for new ones."""
        one = worker()
        first = one.name
        one.stop()
        one.start()

        assert one.name != first
        assert durable.wait(durable.insert(Count()), 10, "terminal").result == 3

    def test_leaves_no_thread_behind(self, durable, worker, eventually):
        """After the end of a worker only the announcing thread of its binding is left."""
        before = set(threading.enumerate())
        one = worker()
        durable.wait(durable.insert(Count()), 10, "terminal")
        durable.wait(durable.insert(Later()), 10, "terminal")

        one.stop()

        eventually(
            lambda: (
                {thread.name for thread in threading.enumerate() if thread not in before}
                <= {"gendurable-default-announce"}
            )
        )


class TestSettings:
    def test_a_pool_that_is_too_small_is_refused(self, url):
        """The message has the numbers, and what to do."""
        engine = create_engine(url, pool_size=5, max_overflow=3)

        with pytest.raises(gd.ConfigError, match=r"8 connections .* needs 9: .* 5 slots"):
            gd.bind(engine).worker(queues={"default": 3, "mail": 2})
        gd.bind(engine).worker(queues={"default": 3, "mail": 1})

    @pytest.mark.parametrize(
        "options", [{"poolclass": NullPool}, {"max_overflow": -1}, {"pool_size": 0}]
    )
    def test_unlimited_pools_will_do(self, url, options):
        """A pool without a bound is large enough for any worker."""
        gd.bind(create_engine(url, **options)).worker(queues={"default": 500})

    @pytest.mark.parametrize("pool", [AssertionPool, SingletonThreadPool, StaticPool])
    def test_a_pool_for_one_thread_is_none(self, url, pool):
        """Even a binding without a worker has a thread of its own."""
        with pytest.raises(gd.ConfigError, match=f"{pool.__name__} is for one thread"):
            gd.bind(create_engine(url, poolclass=pool))

    def test_a_forked_child_is_another_worker(self, durable):
        """The name that a child inherits is its parent's, so it takes a new one."""
        one = durable.worker()
        name = one.name
        pid = os.fork()
        if pid == 0:
            os._exit(0 if one.name != name and f":{os.getpid()}:" in one.name else 1)

        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert one.name == name


class TestHealth:
    def test_a_running_worker_is_well(self, worker, eventually):
        """All its loops turn; one that was stopped is not well."""
        one = worker()
        assert one.health.ok
        assert {
            *("claim", "commit", "gates", "heartbeat", "overtime", "listen", "reaper", "cron")
        } == {pulse.name.rpartition("-")[2] for pulse in one.health.loops}
        one.stop()
        assert not one.health.ok

    def test_answers_over_http(self, worker):
        """``/healthz`` says 200 and how things are."""
        import json
        from urllib.request import urlopen

        one = worker(health_port=0)

        with urlopen(f"http://127.0.0.1:{one._server.port}/healthz") as answer:
            assert answer.status == 200
            assert json.load(answer)["worker"] == one.name
