"""Slots pass from run to run; nothing waits beside an idle slot, and no more run than there are."""

from __future__ import annotations

import sys
from queue import SimpleQueue
from threading import Thread
from types import SimpleNamespace

import pytest

from gendurable.runtime.slots import Run, Slots


def run(id: int = 0, claimed_at: float = 0.0) -> Run:
    return Run(SimpleNamespace(id=id, claim_seq=1, ahead=0), claimed_at)


def ids(runs):
    return [run.claim.id for run in runs]


class TestSlots:
    def test_runs_start_while_there_are_idle_slots(self):
        """Of five runs and three slots three start and two wait, in order."""
        started = []
        slots = Slots(3, lambda slot, run: started.append(run))

        slots.offer(run(n) for n in range(5))

        assert ids(started) == [0, 1, 2]
        assert ids(slots.waiting) == [3, 4]
        assert (slots.free, slots.busy) == (0, 3)

    def test_a_slot_that_starts_starts_the_next(self):
        """Where the thread of a slot dispatches, work wakes one; it wakes the next, in turn."""
        started = []
        slots = Slots(3, lambda slot, run: started.append(run) or True)

        slots.offer(run(n) for n in range(5))
        assert ids(started) == [0]

        for _ in range(5):
            slots.dispatch()

        assert ids(started) == [0, 1, 2]
        assert ids(slots.waiting) == [3, 4]

    def test_a_slot_passes_to_the_next_run(self):
        """Whoever ends a run gets the next one; with none waiting, the slot is idle."""
        slots = Slots(1, lambda slot, run: taken.append(slot))
        taken = []
        slots.offer([run(1), run(2)])

        assert slots.next(taken[0]).claim.id == 2
        assert slots.next(taken[0]) is None
        assert slots.free == 1

    def test_what_is_inserted_goes_first(self):
        """Runs that come back for an error, or run ahead, wait before all others, in order."""
        slots = Slots(0, lambda slot, run: None)
        slots.offer([run(1)])

        slots.insert([run(2), run(3)])

        assert ids(slots.waiting) == [2, 3, 1]

    def test_one_run_is_left_to_whoever_asks_next(self):
        """The slot that has just ended takes it; no other one is woken for it."""
        started = []
        slots = Slots(2, lambda slot, run: started.append(slot))
        slots.offer([run(1)])

        slots.insert([run(2)], here=True)

        assert len(started) == 1
        assert slots.next(started[0]).claim.id == 2

    def test_takes_back_what_has_waited_too_long(self):
        """Old runs are taken out, younger ones and those that already ran stay in their order."""
        slots = Slots(0, lambda slot, run: None)
        failed = run(9, claimed_at=1)
        failed.error = ValueError()
        slots.offer([run(1, 1), run(2, 2), run(3, 3), run(4, 3)])
        slots.insert([failed])

        assert ids(slots.take_back(2)) == [1, 2]
        assert ids(slots.waiting) == [9, 3, 4]

    def test_takes_back_what_waits_behind_steps_that_run_ahead(self):
        """A stream of those, which go before it, does not hide what has waited too long."""
        slots = Slots(0, lambda slot, run: None)
        slots.offer([run(1, 1), run(2, 3)])
        ahead = run(9, 3)
        ahead.claim.ahead = 1
        slots.insert([ahead])

        assert ids(slots.take_back(2)) == [1]
        assert ids(slots.waiting) == [9, 2]

    def test_a_slot_that_cannot_start(self, caplog):
        """Its run waits with it, first in the line, until a slot that runs takes it."""
        started = []

        def start(slot, run):
            if started:
                raise RuntimeError("can't start new thread")
            started.append(slot)
            return True

        slots = Slots(2, start)
        slots.offer([run(1), run(2), run(3)])
        slots.dispatch()

        assert "can't start new thread" in caplog.text
        assert (ids(slots.waiting), slots.busy) == ([2, 3], 1)
        assert slots.next(started[0]).claim.id == 2

    @pytest.mark.parametrize("threads", [1, 4])
    def test_nothing_waits_beside_an_idle_slot(self, threads):
        """However bringing and passing on interleave, every run is taken, by at most so many."""
        inboxes: SimpleQueue = SimpleQueue()
        seen: SimpleQueue = SimpleQueue()
        slots = Slots(threads, lambda slot, run: inboxes.put((slot, run)) or True)

        def serve() -> None:
            while (work := inboxes.get()) is not None:
                slot, run = work
                slots.dispatch()
                while run is not None:
                    seen.put(run.claim.id)
                    run = slots.next(slot)

        servants = [Thread(target=serve, daemon=True) for _ in range(threads)]
        for servant in servants:
            servant.start()
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            for n in range(5000):
                slots.offer([run(n)])
                assert slots.busy <= threads
            taken = {seen.get(timeout=5) for _ in range(5000)}
        finally:
            sys.setswitchinterval(interval)
        for _ in servants:
            inboxes.put(None)

        assert taken == set(range(5000))
        for servant in servants:
            servant.join(5)
        assert slots.free == threads
