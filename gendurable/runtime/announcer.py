"""The background thread that tells other processes of new work, grouped, in no transaction."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event
from time import monotonic

from sqlalchemy import Engine, RootTransaction

from gendurable.engine.aftercare import Aftercare
from gendurable.queries.prepared import Prepared
from gendurable.runtime.aftercommit import News
from gendurable.runtime.loop import Daemon
from gendurable.runtime.single import run_single

#: NOTIFY takes fewer than 8000 bytes.
PAYLOAD = 7_900
#: Between two NOTIFYs, in seconds: the first goes out at once, the news after it in groups.
PACE = 0.003
#: The first and the longest wait, in seconds, before looking again whether a commit is over.
SOON, LATER = 0.0002, 0.005

# Without the wait for the disk: the transaction holds nothing but the news.
_NOTIFY = Prepared.of(
    "SELECT set_config('synchronous_commit', 'off', true), pg_notify(%(channel)s, %(payload)s)"
)


@dataclass(eq=False, slots=True)
class _Asked:
    """Somebody waits until all is told that was committed, or about to be, when he asked."""

    ending: tuple[RootTransaction, ...]
    told: Event = field(default_factory=Event)

    def is_ripe(self) -> bool:
        return not any(transaction.is_active for transaction in self.ending)


class Announcer:
    """Sees transactions of callers to their ends, and says NOTIFY for what was committed.

    It borrows a connection for as long as a NOTIFY takes; nobody else waits for it.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        channel: str | None,
        token: str,
        tell: Callable[[set[str]], object],
        see_to: Callable[[Aftercare], object],
    ) -> None:
        self._engine = engine
        self._channel = channel
        self._token = token
        self._tell = tell
        self._see_to = see_to
        self._news: deque[set[str]] = deque()
        self._ending: deque[tuple[RootTransaction, set[News]]] = deque()
        self._asked: deque[_Asked] = deque()
        self._patience = SOON
        self._next = 0.0
        #: The thread looks for news by itself soon: to wake it for each would cost more than they.
        self._pacing = False
        self.daemon = Daemon(f"gendurable-{name}-announce", self.tick)

    def say(self, queues: set[str]) -> None:
        """Tell other processes of committed work in *queues*."""
        if self._channel is not None:
            self._news.append(queues)
            if not self._pacing:
                self.daemon.wake()

    def say_after(self, transaction: RootTransaction, news: set[News]) -> None:
        """Tell everybody of *news*, and see to it, once the commit of *transaction* is over."""
        self._ending.append((transaction, news))
        self.daemon.wake()

    def hasten(self) -> Event:
        """Have all told at once that is committed by now; return what is set when it is told."""
        asked = _Asked(tuple(transaction for transaction, _ in self._ending.copy()))
        self._asked.append(asked)
        if self.daemon.pulse.alive:
            self.daemon.wake()
        else:  # an interpreter that exits starts no threads
            self.daemon.turn()
        return asked.told

    def tick(self) -> float | None:
        """Tell what was committed since the last turn."""
        ripe = [asked for asked in self._asked.copy() if asked.is_ripe()]
        wait = self._see_off()
        self._pacing = False
        if not ripe and self._news and (early := self._next - monotonic()) > 0:
            self._pacing = True
            return early if wait is None else min(early, wait)
        news: set[str] = set()
        with suppress(IndexError):
            while True:
                news |= self._news.popleft()
        if news:
            self._notify(news)
            self._next = monotonic() + PACE
        for asked in ripe:
            self._asked.remove(asked)
            asked.told.set()
        return wait

    def _see_off(self) -> float | None:
        """Tell of the transactions that have ended; return how soon to look for the others."""
        for _ in range(len(self._ending)):
            transaction, news = self._ending.popleft()
            if transaction.is_active:
                self._ending.append((transaction, news))
                continue
            self._patience = SOON
            self._pass_on(news)
        if not self._ending:
            self._patience = SOON
            return None
        self._patience = min(self._patience * 1.5, LATER)
        return self._patience

    def _pass_on(self, news: set[News]) -> None:
        queues = {one for one in news if isinstance(one, str)}
        if queues:
            self._tell(queues)
            self.say(queues)
        for one in news:
            if not isinstance(one, str):
                self._see_to(one)

    def _notify(self, news: set[str]) -> None:
        try:
            for payload in payloads(self._token, sorted(news)):
                words = {"channel": self._channel, "payload": payload}
                if run_single(self._engine, _NOTIFY, _NOTIFY.values(words)) is None:
                    with self._engine.connect() as conn:
                        conn = conn.execution_options(isolation_level="AUTOCOMMIT")
                        conn.exec_driver_sql(_NOTIFY.text, words)
        except BaseException:
            self._news.append(news)
            raise


def payloads(token: str, queues: Iterable[str]) -> Iterator[str]:
    """Pack the names of *queues* into as few payloads as they fit in."""
    batch, size = [token], len(token) + 4
    for queue in queues:
        cost = len(json.dumps(queue)) + 2
        if size + cost > PAYLOAD and len(batch) > 1:
            yield json.dumps(batch)
            batch, size = [token], len(token) + 4
        batch.append(queue)
        size += cost
    yield json.dumps(batch)
