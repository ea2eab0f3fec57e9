"""Letting in who waits: for a slot of a key that was freed, for tokens that have flowed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from math import inf
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING

from gendurable.engine import gates, limits
from gendurable.engine.claim import tell_of_stranger
from gendurable.runtime.loop import Daemon, Outage

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gendurable.runtime.binding import Binding

#: How often, in seconds, to look for what nobody was told of: the floor of all limits.
SWEEP = 1.0
#: A sweep takes at most this share of the time, however many keys there are.
SHARE = 0.1
#: How often to look again at a key whose waiting rows were all locked, and the first wait.
TRIES, FIRST = 8, 0.001
#: How long, in seconds, a step waits at most to know what the rates are now.
PATIENCE = 1.0
#: The shortest sleep, in seconds, before a timer: what is due at the same instant goes together.
SHORTEST = 0.002


class Gates:
    """Looks at keys after whatever concerned them is committed, and at buckets when it is time.

    Whoever frees a slot or marks a row commits first, and then has the key looked at: of two that
    do so at once, one sees what the other has done. A waiting row that is locked means "not yet".
    """

    def __init__(self, binding: Binding, outage: Outage) -> None:
        self._binding = binding
        self._news: deque[str] = deque()
        self._again: dict[str, tuple[float, int]] = {}
        self._sweep_at = 0.0
        self._head_at = inf
        self._declared = False
        #: The rates there were at the last sweep.
        self._rates: frozenset[str] | None = None
        self._asked: deque[Event] = deque()
        self._ended = False
        self.daemon = Daemon(f"{outage.name}-gates", self.tick, outage=outage, close=self._let_go)

    def look(self, keys: Iterable[str], *, timer: bool = False) -> None:
        """Have *keys* looked at; with *timer* a bucket has a head that waits for an instant."""
        self._news.extend(keys)
        if timer:
            self._head_at = 0.0
        if timer or self._news:
            self.daemon.wake()

    def bursts(self) -> Mapping[str, int] | None:
        """Return the bursts as the database has them now, None if that takes too long.

        A step may hold the last connection but this thread's, which is therefore the one to read.
        """
        answered = Event()
        self._asked.append(answered)
        if self._ended:
            return None
        self.daemon.wake()
        return self._binding.bursts if answered.wait(PATIENCE) else None

    def tick(self) -> float:
        """Look at what is due; return the seconds until there is more to do."""
        now = monotonic()
        keys = {key for key, (due, _) in self._again.items() if due <= now}
        while self._news:
            keys.add(self._news.popleft())
        if self._sweep_at <= now:
            keys |= self._sweep()
        if self._asked:
            self._answer()
        if keys:
            self._look(keys)
        if self._head_at <= monotonic():
            self._let_tokens_flow()
        due = min([self._sweep_at, self._head_at, *(due for due, _ in self._again.values())])
        return max(0.0, due - monotonic())

    def _look(self, keys: set[str]) -> None:
        binding = self._binding
        try:
            with binding.engine.begin() as conn:
                seen = gates.look(conn, binding.db, keys)
        except BaseException:
            self._news.extend(keys)
            raise
        for key in keys:
            _, tries = self._again.pop(key, (0.0, 0))
            if key in seen.locked and tries < TRIES:  # then the sweep has it
                self._again[key] = monotonic() + FIRST * 2**tries, tries + 1
        binding.notifier.announce(seen.queues)

    def _answer(self) -> None:
        binding, asked = self._binding, [self._asked.popleft() for _ in range(len(self._asked))]
        with binding.engine.begin() as conn:
            binding.bursts = self._read_bursts(conn)
        for one in asked:
            one.set()

    def _read_bursts(self, conn: Connection) -> limits.Bursts:
        binding = self._binding
        return limits.Bursts(limits.bursts(conn, binding.db, binding.settings), self.bursts)

    def _let_go(self) -> None:
        self._ended = True

    def _sweep(self) -> set[str]:
        began = monotonic()
        binding = self._binding
        with binding.engine.begin() as conn:
            if not self._declared:  # the database may have been away when the worker started
                limits.declare(conn, binding.db, binding.settings)
            keys = gates.sweep(conn, binding.db)
            gates.stir(conn, binding.db)
            binding.bursts = self._read_bursts(conn)
            rates, self._rates = self._rates, frozenset(binding.bursts)
            lost = rates is None or not rates <= self._rates
            strangers = gates.strangers(conn, binding.db) if lost else ()
        self._declared = True
        for each in strangers:
            tell_of_stranger(binding.name, *each)
        took = monotonic() - began
        self._sweep_at = monotonic() + max(SWEEP, took / SHARE)
        self._head_at = 0.0
        return keys

    def _let_tokens_flow(self) -> None:
        binding = self._binding
        self._head_at = inf  # a head that is told of from now on may not be seen below
        try:
            with binding.engine.begin() as conn:
                soon, queues = gates.ripen(conn, binding.db)
        except BaseException:
            self._head_at = 0.0
            raise
        if soon is not None:
            self._head_at = min(self._head_at, monotonic() + max(SHORTEST, soon))
        binding.notifier.announce(queues)
