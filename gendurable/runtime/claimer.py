"""Claim what is due: as much as there are free slots, at once when told, else by polling."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from gendurable import events
from gendurable.engine import leases
from gendurable.engine.claim import BATCH, claim
from gendurable.engine.faults import is_lost_race
from gendurable.engine.limiter import mark_crowd
from gendurable.runtime.link import Link
from gendurable.runtime.loop import Daemon, Outage
from gendurable.runtime.slots import Run

if TYPE_CHECKING:
    from gendurable.engine.nouns import Claim, Claimed
    from gendurable.runtime.binding import Binding
    from gendurable.runtime.gates import Gates
    from gendurable.runtime.hands import Hands
    from gendurable.runtime.steps import Pool

#: What has not started so many seconds after its claim goes back as it was.
UNSTARTED = 0.1
#: How soon, in seconds, to look again after a claim that found less than there was room for: it
#: did not say when the next row is due.
SETTLE = 0.01
#: The same where another claim was judging the same key.
SOON = 0.001
#: How many claims a worker holds at most beyond its slots: outcomes that wait for their commit.
UNCOMMITTED = 2_000
#: For how many seconds after a row with a limit was met others are expected.
LIMITED = 1.0


class Queue:
    """One queue of the worker, and when it is to be claimed from next."""

    __slots__ = ("due", "limited", "poll", "pool", "told")

    def __init__(self, pool: Pool, poll: float) -> None:
        self.pool = pool
        self.poll = poll
        self.due = 0.0
        self.told = False
        #: Until when rows with a limit are expected; they are judged within the transaction.
        self.limited = 0.0


class Claimer:
    """Keeps the slots of a worker filled, on one thread and one connection."""

    def __init__(
        self,
        binding: Binding,
        worker: str,
        hands: Hands,
        pools: Sequence[Pool],
        release: Callable[[list[Claim]], Sequence[Claim]],
        gates: Gates,
        outage: Outage,
    ) -> None:
        self._binding = binding
        self._worker = worker
        self._hands = hands
        self._release = release
        self._gates = gates
        self._poll = binding.settings.poll_interval
        self._queues = {pool.queue: Queue(pool, self._poll) for pool in pools}
        self._most = UNCOMMITTED + sum(pool.slots.count for pool in pools)
        self._full = False
        self._doubt = False
        self._link = Link(binding.engine)
        self.daemon = Daemon(
            f"{outage.name}-claim", self.tick, outage=outage, close=self._link.close
        )

    def told(self, queues: Iterable[str] | None) -> None:
        """There is news of these queues; None: there may be of any."""
        ours = False
        for name in self._queues if queues is None else queues:
            queue = self._queues.get(name)
            if queue is not None:
                queue.told = ours = True
        if ours:
            self.daemon.wake()

    def doubt(self) -> None:
        """An answer to COMMIT was lost: rows may bear our name that we do not hold."""
        self._doubt = True

    def freed(self) -> None:
        """Outcomes were committed: if that was what kept us from claiming, there is room now."""
        if self._full:
            self.daemon.wake()

    def tick(self) -> float | None:
        """Claim for each queue that is due and has room; give back what did not start."""
        if self._hands.draining:
            return None
        if self._doubt:
            self._give_back_strays()
        self._full = len(self._hands.held) >= self._most
        wait = min(self._attend(queue) for queue in self._queues.values())
        if self._doubt:
            wait = min(wait, UNSTARTED)
        return None if wait == inf else wait

    def _attend(self, queue: Queue) -> float:
        """Claim for one queue if it is due; return the seconds until it is to be seen to again."""
        pool = queue.pool
        if pool.slots.waiting and (late := pool.slots.take_back(monotonic() - UNSTARTED)):
            pool.slow_down()
            self._give_back(late)
        if (queue.told or queue.due <= monotonic()) and not self._full:
            demand = min(pool.slots.free, BATCH)
            ahead = min(pool.ahead, BATCH - demand)
            if demand or ahead:
                self._claim(queue, demand, ahead)
        pool.hungry = True  # before it is asked: a slot that is freed meanwhile must be news
        pool.hungry = self._full or not (pool.slots.free or pool.ahead)
        wait = inf
        if not pool.hungry:
            wait = 0.0 if queue.told else max(0.0, queue.due - monotonic())
        return min(wait, UNSTARTED) if pool.slots.waiting else wait

    def _claim(self, queue: Queue, demand: int, ahead: int) -> None:
        queue.told = False
        pool = queue.pool
        try:
            single = queue.limited < monotonic()
            claimed = self._transact(queue.pool.queue, demand, ahead, single)
        except BaseException as error:
            queue.told = True
            if is_lost_race(error):  # two claims meant one slot, or one new bucket
                return
            self._doubt = True
            raise
        self._hands.take(claimed.claims)
        self._doubt |= claimed.strays
        now = monotonic()
        self._plan(queue, claimed, demand + ahead, now)
        pool.slots.offer([Run.of(one, now) for one in claimed.claims])
        pool.crowded = claimed.crowded
        if claimed.limited:
            queue.limited = now + LIMITED
            queue.told |= single
        if claimed.look or claimed.timer:
            self._gates.look(claimed.look, timer=claimed.timer)
        if claimed.marked * 2 > demand + ahead:
            self._mark_crowd(queue.pool.queue)
        self._tell(pool, claimed, demand)

    def _transact(self, queue: str, demand: int, ahead: int, single: bool) -> Claimed:
        binding = self._binding
        with self._link.begin(single=single) as conn:
            return claim(
                conn,
                binding.db,
                queue,
                demand,
                ahead=ahead,
                worker=self._worker,
                ttl=binding.settings.lease_ttl,
                catalogue=binding.catalogue,
                binding=binding.name,
                single=single,
            )

    def _mark_crowd(self, queue: str) -> None:
        """Most of what was met cannot start: mark what else of that is there, all at once."""
        with self._link.begin() as conn:
            keys = mark_crowd(conn, self._binding.db, queue)
        self._gates.look(keys)

    def _plan(self, queue: Queue, claimed: Claimed, room: int, now: float) -> None:
        """Say when this queue is to be claimed from next, unless somebody tells us before."""
        if claimed.again or claimed.crowded or len(claimed.claims) >= room:
            queue.due, queue.poll = now, self._poll
        elif claimed.contended:
            queue.due, queue.poll = now + SOON, self._poll
        elif claimed.claims:
            queue.due, queue.poll = now + SETTLE, self._poll
        else:
            soon = inf if claimed.next_due is None else max(0.001, claimed.next_due)
            queue.due = now + min(soon, queue.poll)
            queue.poll = min(queue.poll * 2, self._binding.settings.poll_max)

    def _give_back(self, unstarted: list[Run]) -> None:
        kept: Iterable[Claim] = [run.claim for run in unstarted]
        try:
            kept = set(self._release([run.claim for run in unstarted]))
        finally:  # what somebody holds waits on here, until it starts or goes back after all
            if kept:
                slots = self._queues[unstarted[0].claim.queue].pool.slots
                slots.offer([run for run in unstarted if run.claim in kept])

    def _give_back_strays(self) -> None:
        """Give back what bears our name and is not in our hands: nobody else would, for a lease."""
        self._doubt = False
        try:
            with self._link.begin() as conn:
                held = set(self._hands.held)
                answer = leases.strays(conn, self._binding.db, self._worker, held)
        except BaseException:
            self._doubt = True
            raise
        self._doubt |= bool(answer.skipped)
        self._binding.notifier.announce(answer.queues)

    def _tell(self, pool: Pool, claimed: Claimed, demand: int) -> None:
        name = self._binding.name
        events.emit(
            events.claim_stop,
            name,
            queue=pool.queue,
            count=len(claimed.claims),
            demand=demand,
        )
        events.emit(
            events.worker_saturation,
            name,
            queue=pool.queue,
            held=pool.slots.busy,
            slots=pool.slots.count,
        )
