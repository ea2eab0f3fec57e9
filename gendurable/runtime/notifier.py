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
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Event, Lock, main_thread
from typing import Any
from weakref import WeakSet

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, RootTransaction, create_engine, make_url
from sqlalchemy.orm import Session, scoped_session
from sqlalchemy.pool import NullPool

from gendurable.engine.aftercare import Aftercare
from gendurable.runtime import farewell
from gendurable.runtime.aftercommit import AfterCommit, News
from gendurable.runtime.announcer import Announcer
from gendurable.runtime.bells import Bells
from gendurable.runtime.loop import Daemon, Outage

#: How long the listener waits, in seconds, before it asks whether the server is still there.
KEEPALIVE = 20.0

#: Takes the queues that have new work; None: any of them may.
Told = Callable[["set[str] | None"], object]


class Notifier:
    """Tells of queues that have new work; one for each binding."""

    _told: tuple[Told, ...]
    _announcer: Announcer | None

    def __init__(
        self,
        engine: Engine,
        *,
        name: str,
        channel: str,
        listen: bool = True,
        url: str | None = None,
        see_to: Callable[[Aftercare], object] = lambda care: None,
    ) -> None:
        self.engine = engine
        self.name = name
        self.channel = channel
        self.listen = listen
        self.url = url
        self._see_to = see_to
        self._after_commit = AfterCommit(self._committing)
        self._begin()
        _notifiers.add(self)
        farewell.tellers.add(self)

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
                self._background().say(news)

    def announce_on_commit(
        self, caller: Connection | Session | scoped_session[Any], news: Iterable[News]
    ) -> None:
        """Tell of *news*, and see to it, when the outermost transaction of *caller* commits."""
        conn = caller if isinstance(caller, Connection) else caller.connection()
        self._after_commit.arm(conn, news)

    def tell(self, queues: set[str] | None) -> None:
        """Tell of *queues* in this process only."""
        for told in self._told:
            told(queues)

    def hasten(self) -> Event | None:
        """Have all told at once that is committed by now; return what is set when it is told."""
        announcer = self._announcer
        return None if announcer is None else announcer.hasten()

    def close(self) -> None:
        """End the background thread; the next announcement starts another."""
        with self._lock:
            announcer, self._announcer = self._announcer, None
        if announcer is not None:
            announcer.daemon.stop()
            announcer.daemon.join(1.0)

    def _committing(self, transaction: RootTransaction, news: set[News]) -> None:
        self._background().say_after(transaction, news)

    def _background(self) -> Announcer:
        """Return the background thread, which the first news starts."""
        announcer = self._announcer
        if announcer is None:
            with self._lock:
                announcer = self._announcer
                if announcer is None:
                    channel = self.channel if self.listen else None
                    announcer = Announcer(
                        self.engine, self.name, channel, self.token, self.tell, self._see_to
                    )
                    try:
                        announcer.daemon.start()
                    except RuntimeError:  # an interpreter that exits starts no threads
                        if main_thread().is_alive():
                            raise
                    self._announcer = announcer
                    farewell.heed_child()
        return announcer

    def _begin(self) -> None:
        """Begin with nobody to tell and no thread; in a forked child the parent's are not there."""
        self._lock = Lock()
        #: Marks this process's own news, which it need not hear.
        self.token = secrets.token_hex(8)
        self.bells = Bells()
        self._told = ()
        self._announcer = None


class Listener:
    """Hears the news of other processes, on a connection of its own."""

    def __init__(self, notifier: Notifier, outage: Outage) -> None:
        self._notifier = notifier
        self._conn: psycopg.Connection[Any] | None = None
        self._door, self._knocker = socket.socketpair()
        self.daemon = Daemon(f"{outage.name}-listen", self.tick, outage=outage, close=self._close)

    def stop(self) -> None:
        """End listening at once, even in the middle of a turn."""
        self.daemon.stop()
        with suppress(OSError):  # it may have ended by itself
            self._knocker.send(b".")

    def tick(self) -> float:
        """Wait for news, or until it is time to see whether the server is still there."""
        try:
            conn = self._conn or self._connect()
            poll = select.poll()
            for descriptor in (conn.fileno(), self._door.fileno()):
                poll.register(descriptor, select.POLLIN)
            ready = dict(poll.poll(KEEPALIVE * 1000))
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

    def _close(self) -> None:
        self._disconnect()
        self._door.close()
        self._knocker.close()

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
        notifier._begin()


_notifiers: WeakSet[Notifier] = WeakSet()
os.register_at_fork(after_in_child=_in_child)
