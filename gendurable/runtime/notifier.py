"""News of work: told in this process at once, and by NOTIFY to others, never in a transaction.

Whoever has committed work calls ``announce``; who leaves the commit to a caller arms
``announce_on_commit``, and a background thread goes on when that transaction has ended. News is a
hint: what gets lost is found by polling.
"""

from __future__ import annotations

import json
import os
import secrets
import select
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from threading import Lock
from typing import Any
from weakref import WeakSet

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, RootTransaction, create_engine, make_url, text
from sqlalchemy.orm import Session, scoped_session
from sqlalchemy.pool import NullPool

from gendurable.runtime.aftercommit import AfterCommit
from gendurable.runtime.loop import Daemon, Outage

#: NOTIFY takes fewer than 8000 bytes.
PAYLOAD = 7_900
#: How long to wait, in seconds, before looking again whether a commit is over.
SOON, LATER = 0.0002, 0.005
#: How long the listener waits, in seconds, before it asks whether the server is still there.
KEEPALIVE = 20.0

# Without the wait for the disk: the transaction holds nothing but the news.
_NOTIFY = text(
    "SELECT set_config('synchronous_commit', 'off', true), pg_notify(:channel, :payload)"
)

#: Takes the queues that have new work; None: any of them may.
Told = Callable[["set[str] | None"], object]


class Notifier:
    """Tells of queues that have new work; one for each binding."""

    _daemon: Daemon | None

    def __init__(
        self,
        engine: Engine,
        *,
        name: str,
        channel: str,
        listen: bool = True,
        url: str | None = None,
    ) -> None:
        self.engine = engine
        self.name = name
        self.channel = channel
        self.listen = listen
        self.url = url
        self._told: tuple[Told, ...] = ()
        self._after_commit = AfterCommit(self._committing)
        self._reset()
        _notifiers.add(self)

    def subscribe(self, told: Told) -> Callable[[], None]:
        """Call *told* with the queues of all news; return what ends that."""
        with self._lock:
            self._told = (*self._told, told)

        def unsubscribe() -> None:
            with self._lock:
                self._told = tuple(other for other in self._told if other is not told)

        return unsubscribe

    def announce(self, queues: Iterable[str]) -> None:
        """Tell of committed work in *queues*."""
        if news := set(queues):
            self.tell(news)
            if self.listen:
                self._news.append(news)
                self._thread().wake()

    def announce_on_commit(
        self, caller: Connection | Session | scoped_session[Any], queues: Iterable[str]
    ) -> None:
        """Tell of *queues* when the outermost transaction of *caller* has committed."""
        conn = caller if isinstance(caller, Connection) else caller.connection()
        self._after_commit.arm(conn, queues)

    def tell(self, queues: set[str] | None) -> None:
        """Tell of *queues* in this process only."""
        for told in self._told:
            told(queues)

    @contextmanager
    def watch(self, id: int) -> Iterator[SimpleQueue[None]]:
        """Give a bell that rings when this process has committed an outcome of that instance."""
        bell: SimpleQueue[None] = SimpleQueue()
        with self._lock:
            self._watched[id] = (*self._watched.get(id, ()), bell)
        try:
            yield bell
        finally:
            with self._lock:
                left = tuple(other for other in self._watched.pop(id, ()) if other is not bell)
                if left:
                    self._watched[id] = left

    def committed(self, ids: Iterable[int]) -> None:
        """Ring the bells of those who wait for these instances."""
        if self._watched:
            for id in ids:
                for bell in self._watched.get(id, ()):
                    bell.put(None)

    @property
    def token(self) -> str:
        """What marks this process's own news, which it need not hear."""
        return self._token

    def close(self) -> None:
        """End the background thread; the next announcement starts another."""
        daemon, self._daemon = self._daemon, None
        if daemon is not None:
            daemon.stop()
            daemon.join(1.0)

    def _committing(self, transaction: RootTransaction, queues: set[str]) -> None:
        self._ending.append((transaction, queues))
        self._thread().wake()

    def _thread(self) -> Daemon:
        daemon = self._daemon
        if daemon is None:
            with self._lock:
                daemon = self._daemon
                if daemon is None:
                    daemon = Daemon(f"gendurable-{self.name}-announce", self.tick)
                    daemon.start()
                    self._daemon = daemon
        return daemon

    def _reset(self) -> None:
        """Begin anew, without a thread; in a forked child the parent's is not there."""
        self._lock = Lock()
        self._token = secrets.token_hex(8)
        self._daemon = None
        self._watched: dict[int, tuple[SimpleQueue[None], ...]] = {}
        self._news: deque[set[str]] = deque()
        self._ending: deque[tuple[RootTransaction, set[str]]] = deque()
        self._patience = SOON

    def tick(self) -> float | None:
        """Tell what was committed since the last turn."""
        waiting = self._look()
        news: set[str] = set()
        with suppress(IndexError):
            while True:
                news |= self._news.popleft()
        if news:
            self._notify(news)
        return waiting

    def _look(self) -> float | None:
        """Tell of the transactions that have ended; return how soon to look for the others."""
        for _ in range(len(self._ending)):
            transaction, queues = self._ending.popleft()
            if transaction.is_active:
                self._ending.append((transaction, queues))
                continue
            self._patience = SOON
            self.tell(queues)
            if self.listen:
                self._news.append(queues)
        if not self._ending:
            self._patience = SOON
            return None
        self._patience = min(self._patience * 1.5, LATER)
        return self._patience

    def _notify(self, news: set[str]) -> None:
        try:
            with self.engine.connect() as conn:
                conn = conn.execution_options(isolation_level="AUTOCOMMIT")
                for payload in payloads(self._token, sorted(news)):
                    conn.execute(_NOTIFY, {"channel": self.channel, "payload": payload})
        except Exception:
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


class Listener:
    """Hears the news of other processes, on a connection of its own."""

    def __init__(self, notifier: Notifier, outage: Outage) -> None:
        self._notifier = notifier
        self._conn: psycopg.Connection[Any] | None = None
        self._door = os.pipe()
        self.daemon = Daemon(
            f"{outage.name}-listen", self.tick, outage=outage, close=self._disconnect
        )

    def stop(self) -> None:
        """End listening at once, even in the middle of a turn."""
        self.daemon.stop()
        os.write(self._door[1], b".")

    def close(self) -> None:
        """Give the file descriptors back; the thread has ended."""
        for descriptor in self._door:
            os.close(descriptor)

    def tick(self) -> float:
        """Wait for news, or until it is time to see whether the server is still there."""
        try:
            conn = self._conn or self._connect()
            ready, _, _ = select.select([conn.fileno(), self._door[0]], [], [], KEEPALIVE)
            if conn.fileno() in ready:
                for notice in conn.notifies(timeout=0):
                    self._hear(notice.payload)
            elif not ready:
                conn.execute("SELECT 1")
        except (psycopg.Error, OSError, ValueError) as error:
            self._disconnect()
            raise ConnectionError(str(error)) from error
        return 0.0

    def _connect(self) -> psycopg.Connection[Any]:
        """Open a connection the way the engine does, outside of its pool."""
        engine = self._notifier.engine
        if url := self._notifier.url:
            engine = create_engine(
                make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool
            )
        pooled = engine.raw_connection()
        driver = pooled.driver_connection
        assert isinstance(driver, psycopg.Connection)
        pooled.detach()
        self._conn = driver
        driver.autocommit = True
        driver.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._notifier.channel)))
        self._notifier.tell(None)  # what was announced while nobody listened
        return driver

    def _disconnect(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            with suppress(Exception):
                conn.close()

    def _hear(self, payload: str) -> None:
        try:
            token, *queues = json.loads(payload)
            news = set(map(str, queues))
        except (ValueError, TypeError):
            self._notifier.tell(None)  # somebody else's words: a hint all the same
            return
        if token != self._notifier.token:
            self._notifier.tell(news)


def _in_child() -> None:
    for notifier in _notifiers:
        notifier._reset()


_notifiers: WeakSet[Notifier] = WeakSet()
os.register_at_fork(after_in_child=_in_child)
