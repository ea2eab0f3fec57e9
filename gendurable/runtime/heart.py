"""The heartbeat: extends every lease of a worker, on a thread and a connection of its own."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING

from gendurable.engine import leases
from gendurable.errors import LeaseLost
from gendurable.runtime.link import Link
from gendurable.runtime.loop import Daemon, Outage

if TYPE_CHECKING:
    from gendurable.engine.nouns import Claim
    from gendurable.runtime.binding import Binding
    from gendurable.runtime.hands import Hands, Key

#: How soon, in seconds, a row that somebody held is tried again.
AGAIN = 1.0
#: How long a step waits for the answer to ``ctx.heartbeat()``, in seconds, before it goes on.
ANSWER = 5.0


class Heart:
    """Keeps the claims in a worker's hands alive, and notices those that are lost."""

    def __init__(
        self, binding: Binding, worker: str, hands: Hands, queues: Sequence[str], outage: Outage
    ) -> None:
        self._binding = binding
        self._worker = worker
        self._hands = hands
        self._queues = list(queues)
        self._link = Link(binding.engine)
        self._asks: deque[tuple[Key, SimpleQueue[None]]] = deque()
        self._skipped: set[Key] = set()
        self._next = 0.0
        self.daemon = Daemon(
            f"{outage.name}-heartbeat", self.tick, outage=outage, close=self._close
        )

    def ask(self, claim: Claim, *, wait: bool) -> None:
        """Have the lease of *claim* extended now and, with *wait*, know the answer.

        While the database is away there is no answer, and the step goes on.

        Raises:
            LeaseLost: the claim is no longer ours.
        """
        key = (claim.id, claim.claim_seq)
        if key in self._hands.held:
            answer: SimpleQueue[None] = SimpleQueue()
            self._asks.append((key, answer))
            self.daemon.wake()
            if wait:
                with suppress(Empty):
                    answer.get(timeout=ANSWER)
        if key in self._hands.lost:
            raise LeaseLost(f"instance {claim.id} is no longer this execution's")

    def tick(self) -> float:
        """Extend all leases when it is time; else those asked for or skipped."""
        asks = list(self._take_asks())
        try:
            if monotonic() >= self._next:
                self._extend(list(self._hands.held))
                self._beat()
                self._next = monotonic() + self._binding.settings.heartbeat_interval
            elif due := self._skipped.union(key for key, _ in asks):
                self._extend([key for key in due if key in self._hands.held])
        finally:
            for _, answer in asks:
                answer.put(None)
        wait = self._next - monotonic()
        return min(wait, AGAIN) if self._skipped else wait

    def _take_asks(self) -> Iterator[tuple[Key, SimpleQueue[None]]]:
        with suppress(IndexError):
            while True:
                yield self._asks.popleft()

    def _extend(self, keys: list[Key]) -> None:
        self._skipped = set()
        newest = dict(sorted(keys))
        for id, seq in keys:
            if seq < newest[id]:
                self._hands.lose((id, seq))  # we claimed the row again: the older claim is lost
        if not newest:
            return
        ttl = self._binding.settings.lease_ttl
        with self._link.begin() as conn:
            extended = leases.extend(conn, self._binding.db, newest.items(), self._worker, ttl)
        self._skipped = extended.skipped
        for key in extended.lost:
            self._hands.lose(key)

    def _beat(self) -> None:
        known = self._binding.catalogue.known()
        with self._link.begin() as conn:
            leases.beat(conn, self._binding.db, self._worker, self._queues, json.dumps(known))

    def _close(self) -> None:
        """Say that the worker has left, and did not die."""
        with suppress(Exception), self._link.begin() as conn:
            leases.leave(conn, self._binding.db, self._worker)
        self._link.close()
