"""Steps in slots: on threads, on the event loop, ahead of time, and beyond their time."""

from __future__ import annotations

import asyncio
import threading
from copy import copy
from queue import SimpleQueue
from time import monotonic
from types import SimpleNamespace

import pytest

from gendurable.engine.nouns import Finished
from gendurable.errors import StepTimeout
from gendurable.runtime import steps as module
from gendurable.runtime.hands import Hands
from gendurable.runtime.loop import Outage
from gendurable.runtime.overtime import Overtime
from gendurable.runtime.slots import Run
from gendurable.runtime.steps import Pool, Steps
from gendurable.runtime.tasks import Tasks


class Executor:
    """Runs what a claim carries as its step, and tells who recovered what."""

    def run(self, claim):
        return Finished(claim, claim.step())

    async def run_async(self, claim):
        return Finished(claim, await claim.step())

    def recover(self, claim, error):
        return Finished(claim, "stop", error=error)


class Site:
    """A queue with its slots, threads and clock, and the outcomes that come out of it."""

    def __init__(self, slots: int) -> None:
        self.outcomes: SimpleQueue[Finished] = SimpleQueue()
        self.hands = Hands()
        self.exhausted: SimpleQueue[bool] = SimpleQueue()
        self.exchanged: list[int] = []
        self.overtime = Overtime(
            self._exchange, lambda: self.exhausted.put(True), slots, Outage("test")
        )
        steps = Steps(Executor(), self.hands, self.overtime, self.outcomes.put)
        self.tasks = Tasks("test", steps)
        self.woken: SimpleQueue[None] = SimpleQueue()
        self.pool = Pool("q", slots, steps, self.tasks, lambda: self.woken.put(None))

    def run(self, id, step, *, is_async=False, limit=None) -> Run:
        claim = SimpleNamespace(id=id, claim_seq=1, queue="q", fsm="F", step=step, ahead=0)
        self.hands.take([claim])
        run = Run(claim, monotonic(), is_async=is_async, limit=limit)
        self.pool.slots.offer([run])
        return run

    def next(self) -> Finished:
        return self.outcomes.get(timeout=30)

    def _exchange(self, claim):
        self.exchanged.append(claim.id)
        new = SimpleNamespace(id=claim.id, claim_seq=2, queue="q", fsm="F", step="s", ahead=1)
        self.hands.take([new])
        self.hands.drop(claim)
        return new


@pytest.fixture
def site(request):
    site = Site(getattr(request, "param", 2))
    yield site
    site.pool.close()
    site.tasks.close()


def soon(holds):
    """Wait until something holds."""
    end = monotonic() + 30
    while not holds():
        assert monotonic() < end
        threading.Event().wait(0.001)


class TestThreads:
    def test_as_many_steps_run_at_once_as_there_are_slots(self, site):
        """With two slots two of five steps run, and the others as those end."""
        running: SimpleQueue = SimpleQueue()
        go: SimpleQueue = SimpleQueue()

        def step():
            running.put(threading.current_thread().name)
            return go.get(timeout=30)

        for n in range(5):
            site.run(n, step)
        names = {running.get(timeout=30), running.get(timeout=30)}
        assert site.pool.slots.busy == 2
        assert running.empty()

        for _ in range(5):
            go.put("done")
        assert {site.next().claim.id for _ in range(5)} == set(range(5))
        assert {running.get(timeout=30) for _ in range(3)} <= names

    def test_a_thread_lives_as_long_as_its_slot(self, site):
        """The same thread takes one step after the other: none is started for each."""
        names = set()
        for n in range(20):
            site.run(n, lambda: names.add(threading.get_ident()) or "done")
            site.next()
            soon(lambda: site.pool.slots.free == 2)

        assert len(names) == 1

    def test_a_thread_that_cannot_be_had(self, site, monkeypatch):
        """What was to run on it runs on another, and so does whatever its slot is given later."""
        begin, start = SimpleQueue(), threading.Thread.start
        site.run(1, lambda: begin.get(timeout=30))

        def refuse(thread):
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", refuse)
        site.run(2, lambda: "second")
        monkeypatch.setattr(threading.Thread, "start", start)
        begin.put("first")
        assert [site.next().kind, site.next().kind] == ["first", "second"]

        site.run(3, lambda: begin.get(timeout=30))
        site.run(4, lambda: "fourth")
        assert site.next().kind == "fourth"
        begin.put("third")
        assert site.next().kind == "third"

    def test_no_error_out_of_the_engine_ends_a_thread(self, site, caplog):
        """What cannot even be told as an error of the step counts as a crash, and is logged."""

        def step():
            raise SystemExit(3)

        site.run(1, step)
        site.run(2, lambda: "done")

        assert {(one.claim.id, one.kind) for one in (site.next(), site.next())} == {
            (1, "crashed"),
            (2, "done"),
        }
        assert "ended without an outcome" in caplog.text

    @pytest.mark.parametrize("site", [1], indirect=True)
    def test_what_was_lost_while_it_waited_does_not_start(self, site):
        """A claim that somebody else took before its step began is dropped."""
        go: SimpleQueue = SimpleQueue()
        site.run(1, lambda: go.get(timeout=30))
        lost = site.run(2, lambda: "done")
        site.run(3, lambda: "done")
        site.hands.lose((lost.claim.id, 1))
        go.put("done")

        assert [site.next().claim.id, site.next().claim.id] == [1, 3]
        assert not site.hands.lost


class TestAsync:
    def test_asynchronous_steps_share_one_thread(self, site):
        """Two steps wait for each other on one event loop, each in a slot of its own."""
        names = set()
        first, second = asyncio.Event(), asyncio.Event()

        async def meet(mine, other):
            names.add(threading.current_thread().name)
            mine.set()
            await other.wait()
            return "done"

        site.run(1, lambda: meet(first, second), is_async=True)
        site.run(2, lambda: meet(second, first), is_async=True)

        assert {site.next().claim.id, site.next().claim.id} == {1, 2}
        assert names == {"test-async"}

    @pytest.mark.parametrize("site", [1], indirect=True)
    def test_both_kinds_share_the_slots(self, site):
        """In one slot synchronous and asynchronous steps take turns."""
        running = []

        def sync():
            running.append("sync")
            assert site.pool.slots.busy == 1
            return "done"

        async def later():
            running.append("async")
            await asyncio.sleep(0)
            return "done"

        for n in range(6):
            site.run(n, later if n % 2 else sync, is_async=bool(n % 2))

        assert [site.next().claim.id for _ in range(6)] == list(range(6))
        assert running == ["sync", "async"] * 3


class TestAhead:
    @pytest.fixture(autouse=True)
    def far(self, monkeypatch):
        """However slow this machine is, its steps start within the horizon."""
        monkeypatch.setattr(module, "HORIZON", 60.0)

    def test_fast_queues_are_claimed_ahead(self, site):
        """When rows keep their slots for moments there may be 800 claims beyond the slots."""
        assert site.pool.ahead == 0
        for n in range(module.MEMORY):
            site.run(n, lambda: "done")
            site.next()

        soon(lambda: site.pool.ahead == 800)

    def test_no_more_than_soon_start(self, site, monkeypatch):
        """The longer the steps, the fewer wait for a slot."""
        for n in range(module.MEMORY):
            site.run(n, lambda: "done")
            site.next()
        soon(lambda: site.pool.ahead == 800)

        monkeypatch.setattr(module, "AHEAD", 10**9)
        near = [0.1 * n for n in range(4)]
        rooms = []
        for horizon in near:
            monkeypatch.setattr(module, "HORIZON", horizon)
            rooms.append(site.pool.ahead)
        assert rooms[0] == 0 < rooms[1]
        assert rooms == pytest.approx([n * rooms[1] for n in range(4)], abs=3)

    @pytest.mark.parametrize("site", [1], indirect=True)
    def test_a_row_that_goes_on_keeps_its_slot(self, site):
        """However many steps it runs ahead there, it is one row that others wait for."""

        def goes_on(run, left):
            def step():
                if left:
                    new = Run(copy(run.claim), monotonic())
                    new.claim.ahead += 1
                    new.claim.step = goes_on(new, left - 1)
                    site.hands.take([new.claim])
                    site.pool.slots.insert([new], here=True)
                return "done"

            return step

        go = threading.Event()
        site.run(0, lambda: go.wait(30) and "done")
        for n in range(1, module.MEMORY - 1):
            run = site.run(n, None)
            run.claim.step = goes_on(run, 4)
        go.set()
        for _ in range(1 + 5 * (module.MEMORY - 2)):
            site.next()
        soon(lambda: site.pool.slots.free == 1)
        assert site.pool.ahead == 0  # these were too few

        site.run(99, lambda: "done")
        soon(lambda: site.pool.ahead == 800)

    @pytest.mark.parametrize("site", [1], indirect=True)
    def test_no_more_than_800_wait(self, site):
        """What waits and what is asked for are never more; and few at a time are not asked for."""
        for n in range(module.MEMORY):
            site.run(n, lambda: "done")
            site.next()
        soon(lambda: site.pool.ahead == 800)
        go = threading.Event()
        site.run(99, lambda: go.wait(30) and "done")

        for waiting, ahead in ((0, 800), (50, 750), (400, 400), (401, 0)):
            while len(site.pool.slots.waiting) < waiting:
                site.run(100 + len(site.pool.slots.waiting), lambda: "done")
            assert site.pool.ahead == ahead
        go.set()

    @pytest.mark.parametrize("site", [1], indirect=True)
    def test_who_waits_for_a_slot_has_its_turn(self, site):
        """Where a row with a limit does, all that was claimed ahead runs first, and then it may."""
        for n in range(module.MEMORY):
            site.run(n, lambda: "done")
            site.next()
        site.pool.crowded = True
        soon(lambda: site.pool.ahead == 800)  # beside a free slot for it
        go = threading.Event()
        site.run(99, lambda: go.wait(30) and "done")
        site.pool.hungry = True
        assert site.pool.ahead == 0

        for n in range(100, 110):
            site.run(n, lambda: "done")
        assert site.woken.empty()
        go.set()

        site.woken.get(timeout=30)
        assert not site.pool.slots.waiting

    @pytest.mark.parametrize("site", [1], indirect=True)
    def test_slow_ones_are_not(self, site, monkeypatch):
        """One slow step among fast ones is enough to claim nothing ahead."""
        monkeypatch.setattr(module, "HORIZON", 0.005)
        for n in range(module.MEMORY):
            site.run(n, lambda: "done")
            site.next()
        site.run(99, lambda: threading.Event().wait(0.1) or "done")
        site.next()

        soon(lambda: site.pool.slots.free == 1)
        assert site.pool.ahead == 0

    def test_a_free_slot_is_news_when_there_were_none(self, site):
        """A queue that could not claim for want of slots is told when one is free."""
        site.pool.hungry = True
        site.run(1, lambda: "done")
        site.next()

        site.woken.get(timeout=30)


class TestTimeouts:
    @pytest.mark.parametrize("site", [1], indirect=True)
    def test_a_synchronous_step_is_abandoned(self, site):
        """A step beyond its time loses claim and slot; what it returns later is not wanted."""
        go: SimpleQueue = SimpleQueue()
        began: SimpleQueue = SimpleQueue()
        site.run(1, lambda: began.put(1) or go.get(timeout=30), limit=0.001)
        site.run(2, lambda: "done")
        began.get(timeout=30)

        soon(lambda: site.overtime.tick() is None)

        late = site.next()
        assert (late.claim.id, late.claim.claim_seq) == (1, 2)
        assert isinstance(late.error, StepTimeout)
        assert site.next().claim.id == 2
        assert site.overtime.abandoned == 1
        go.put("done")
        soon(lambda: site.overtime.abandoned == 0)
        assert site.outcomes.empty()

    def test_an_asynchronous_step_is_cancelled(self, site):
        """A coroutine beyond its time is cancelled, and its slot is free."""
        cancelled: SimpleQueue = SimpleQueue()
        began: SimpleQueue = SimpleQueue()

        async def step():
            began.put(1)
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.put(True)

        site.run(1, step, is_async=True, limit=0.001)
        began.get(timeout=30)

        soon(lambda: site.overtime.tick() is None)

        assert cancelled.get(timeout=30)
        assert isinstance(site.next().error, StepTimeout)
        soon(lambda: site.pool.slots.free == 2)
        assert site.overtime.abandoned == 0

    def test_a_step_that_ends_in_time_is_left_alone(self, site):
        """The clock lets go of a step that has ended."""
        site.run(1, lambda: "done", limit=60)
        site.next()

        assert site.overtime.tick() is None
        assert site.exchanged == []

    def test_a_new_limit_wakes_the_clock(self, site):
        """A clock that sleeps until woken is woken by a step that has a limit."""
        site.overtime.daemon.start()
        go: SimpleQueue = SimpleQueue()
        site.run(1, lambda: go.get(timeout=30), limit=0.001)

        assert isinstance(site.next().error, StepTimeout)
        go.put("done")
        site.overtime.daemon.stop()
        site.overtime.daemon.join(5)

    def test_too_many_abandoned_threads_are_the_end(self, site):
        """When as many threads are abandoned as there are slots, the worker is told to go."""
        go: SimpleQueue = SimpleQueue()
        began: SimpleQueue = SimpleQueue()
        for n in range(2):
            site.run(n, lambda: began.put(1) or go.get(timeout=30), limit=0.001)
            began.get(timeout=30)

        soon(lambda: site.overtime.tick() is None)

        assert site.exhausted.get(timeout=30)
        go.put("done")
        go.put("done")

    def test_an_outage_only_delays_it(self, site):
        """A claim that cannot be exchanged now is exchanged later; the step stays timed out."""
        go: SimpleQueue = SimpleQueue()
        began: SimpleQueue = SimpleQueue()
        exchange = site.overtime._exchange

        def away(claim):
            raise ConnectionError("gone")

        site.overtime._exchange = away
        run = site.run(1, lambda: began.put(1) or go.get(timeout=30), limit=0.001)
        began.get(timeout=30)
        soon(lambda: 0 < run.deadline < monotonic())
        with pytest.raises(ConnectionError):
            site.overtime.tick()
        go.put("done")

        site.overtime._exchange = exchange
        site.overtime.tick()

        assert isinstance(site.next().error, StepTimeout)
        assert site.outcomes.empty()
