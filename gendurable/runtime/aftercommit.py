"""What is to be told when a transaction of the caller's has ended, if it commits.

The engine that the caller's connection belongs to is listened to, once for all: adding a listener
to each session or connection would cost more than the insert. SQLAlchemy has no event *after* a
commit of a connection, so the transaction itself is handed on; it is over when it is not active.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, ref

from sqlalchemy import Connection, Engine, NestedTransaction, RootTransaction, event

from gendurable.engine.aftercare import Aftercare

#: What hangs on a commit: queues that have work by it, by name, and what is to be seen to.
News = str | Aftercare

#: Told, in the caller's thread, that this transaction is about to commit with this news.
Committing = Callable[[RootTransaction, set[News]], object]


#: How many of ours listen to the commits of an engine: to one on which no news hangs, in vain.
_LISTENING: WeakKeyDictionary[Engine, int] = WeakKeyDictionary()


def others_hear_commits(engine: Engine) -> bool:
    """Whether anybody else listens to the commits of *engine*."""
    told: Any = engine.dispatch
    return len(told.commit) > _LISTENING.get(engine, 0)


#: The savepoint that news hangs on; None: the transaction itself.
_Place = ref[NestedTransaction] | None


class _Armed:
    """The news of one transaction, sorted by the savepoint that it hangs on.

    Transactions have their connection, so those are not kept here: one that is dropped without an
    end is collected, rolled back and given back to its pool.
    """

    __slots__ = ("news", "released", "transaction")

    def __init__(self, transaction: RootTransaction) -> None:
        self.transaction = ref(transaction)
        self.news: dict[_Place, set[News]] = {}
        self.released: set[_Place] = set()

    def add(self, conn: Connection, news: Iterable[News]) -> None:
        """Hang *news* on the savepoint that *conn* is in."""
        savepoint = conn.get_nested_transaction()
        place = None if savepoint is None else ref(savepoint)
        self.news.setdefault(place, set()).update(news)

    def settle(self, conn: Connection) -> None:
        """Drop what hung on a savepoint that was rolled back; hand up what was released."""
        for place in [place for place in self.news if place is not None]:
            savepoint = place()
            if savepoint is None or not savepoint.is_active:
                news = self.news.pop(place)
                if place in self.released:
                    self.released.discard(place)
                    self.add(conn, news)


class AfterCommit:
    """Watches the transactions of callers that have news, until the outermost one has ended."""

    def __init__(self, committing: Committing) -> None:
        self._committing = committing
        self._armed: WeakKeyDictionary[Connection, _Armed] = WeakKeyDictionary()
        self._engines: WeakSet[Engine] = WeakSet()

    def arm(self, conn: Connection, news: Iterable[News]) -> None:
        """Hand *news* on once the outermost transaction of *conn* commits."""
        if conn.engine not in self._engines:
            self._listen(conn.engine)
        transaction = conn.get_transaction()
        if transaction is None:
            return
        armed = self._armed.get(conn)
        if armed is None or armed.transaction() is not transaction:
            armed = self._armed[conn] = _Armed(transaction)
        armed.settle(conn)
        armed.add(conn, news)

    def _listen(self, engine: Engine) -> None:
        self._engines.add(engine)
        _LISTENING[engine] = _LISTENING.get(engine, 0) + 1
        event.listen(engine, "commit", self._commit)
        event.listen(engine, "commit_twophase", self._commit)
        event.listen(engine, "rollback", self._rollback)
        event.listen(engine, "rollback_twophase", self._rollback)
        event.listen(engine, "savepoint", self._savepoint)
        event.listen(engine, "rollback_savepoint", self._savepoint)
        event.listen(engine, "release_savepoint", self._release)

    def _commit(self, conn: Connection, *_: Any) -> None:
        armed = self._armed.pop(conn, None)
        if armed is None:
            return
        armed.settle(conn)
        news = set[News]().union(*armed.news.values())
        transaction = armed.transaction()
        if news and transaction is not None:
            self._committing(transaction, news)

    def _rollback(self, conn: Connection, *_: Any) -> None:
        self._armed.pop(conn, None)

    def _savepoint(self, conn: Connection, *_: Any) -> None:
        if armed := self._armed.get(conn):
            armed.settle(conn)

    def _release(self, conn: Connection, *_: Any) -> None:
        if armed := self._armed.get(conn):
            armed.settle(conn)
            savepoint = conn.get_nested_transaction()
            if savepoint is not None and (place := ref(savepoint)) in armed.news:
                armed.released.add(place)
