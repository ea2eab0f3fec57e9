"""New instances: one, many, or children of one that exists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import is_
from typing import TYPE_CHECKING, Any, Literal, cast

from gendurable.buffering import Buffering
from gendurable.callers import Caller, Work, carry_out, me, refuse_own, working
from gendurable.engine import control, enqueue, limits
from gendurable.engine.probes import stamped
from gendurable.engine.spawning import parameters_of, usual_values
from gendurable.fsm import FSM
from gendurable.handle import Handle
from gendurable.operations import Target, as_target
from gendurable.queries.enqueue import INSERT_USUAL, statement_for
from gendurable.retry import Duration
from gendurable.runtime.single import run_single
from gendurable.spawn import LIVE, UNSAID, Key, Scope, Spawn

if TYPE_CHECKING:
    from gendurable.durable import Durable


class Inserting(Buffering):
    """Inserting in the transaction of the caller, or in one of our own."""

    def insert(
        self,
        obj: FSM,
        *,
        session: Caller = None,
        queue: str | None = None,
        priority: int = 0,
        delay: Duration | None = None,
        at: datetime | None = None,
        correlation_key: Key | None = None,
        correlation_scope: Scope | Literal["live", "all"] | None = LIVE,
        if_exists: Literal["raise", "return"] = "raise",
        concurrency_key: Key | None = None,
        rate_limit: Key | None = None,
        weight: int = 1,
        headers: dict[str, Any] | None = None,
    ) -> Handle:
        """Insert an instance in the state of *obj*, to start at its initial step.

        Args:
            obj: an FSM or Job object.
            session: the caller's transaction.
            queue: default: that of the class.
            priority: -32768 to 32767; lower ones start first.
            delay: how long to wait before it may start; seconds or timedelta.
            at: when it may start, instead of a delay; with a time zone.
            correlation_key: its business identity: unique and addressable in this binding.
            correlation_scope: how long the key is taken: LIVE, ALL, or None for a mere label.
            if_exists: what to do when the key is taken: "raise", or "return" the holder's handle.
            concurrency_key: at most so many instances with this key execute at once: one, unless
                ``concurrency_limits`` has an entry for the key's name, the part before a colon.
            rate_limit: the token bucket that each execution takes *weight* tokens from.
            weight: a positive integer.
            headers: JSON that goes along and is not touched.

        Raises:
            InvalidInput: an argument is not acceptable, or the state cannot be stored.
            DuplicateInstance: the key is taken.
            UnknownLimit: nobody configures the rate limit.
        """
        options = (
            queue,
            priority,
            delay,
            at,
            correlation_key,
            correlation_scope,
            if_exists,
            concurrency_key,
            rate_limit,
            weight,
            headers,
        )
        if session is None and rate_limit is None:
            handle = self._insert_alone(obj, options)
            if handle is not None:
                return handle
        spawn = stamped(Spawn(obj, *options), self.probes)
        parameters = parameters_of(spawn, self.settings.max_size)
        with working(self, session, single=True) as work:
            if rate_limit is not None:
                limits.check(work.conn, self.db, self.settings, [spawn])
            id, created = enqueue.insert(work.conn, self.db, parameters, if_exists)
            if created:
                work.queues.add(enqueue.queue_of(spawn))
        return self._handle(id, created)

    def insert_all(
        self, objs: Iterable[FSM | Spawn], *, session: Caller = None
    ) -> list[Handle | None]:
        """Insert many at once; return their handles in order, None for what was a duplicate.

        Raises:
            InvalidInput: one of them is not acceptable; then none is inserted.
            UnknownLimit: nobody configures the rate limit of one.
        """
        batch = self._batch(objs)

        def insert(work: Work) -> tuple[Sequence[int | None], dict[int, int]]:
            limits.check(work.conn, self.db, self.settings, batch.rated)
            ids, holders = enqueue.insert_batch(work.conn, self.db, batch)
            if any(ids):
                work.queues |= batch.queues
            return ids, holders

        ids, holders = carry_out(self, session, insert)
        handles = [None if id is None else self._handle(id, True) for id in ids]
        for n, id in holders.items():
            handles[n] = self._handle(id, False)
        return handles

    def schedule_children(
        self, parent: Target, children: Iterable[FSM | Spawn], session: Caller = None
    ) -> int:
        """Add children to *parent* from outside of its steps; return how many were inserted.

        On a parent that is parked on its children they join the present round; on any other live
        one they are listed, and nothing waits for them.

        Raises:
            NoTarget: the parent has ended, or is not there.
            InvalidInput: it is the instance whose step is running here.
        """
        batch = self._batch(children)
        goal = as_target(parent)
        refuse_own(self, goal, "schedule children of")

        def add(work: Work) -> int:
            limits.check(work.conn, self.db, self.settings, batch.rated)
            row = control.adopt(work.conn, self.db, goal, me(self))
            count = enqueue.insert_children(work.conn, self.db, batch, row.id, row.round)
            control.join_round(work.conn, self.db, row, count)
            work.queues |= batch.queues
            return count

        return carry_out(self, session, add)

    def _insert_alone(self, obj: FSM, options: Sequence[Any]) -> Handle | None:
        """Insert in a message of its own; None: nothing is inserted, the usual way will tell why.

        Most objects are given no options, and need no ``Spawn``.
        """
        size = self.settings.max_size
        values: Sequence[bytes | None]
        if all(map(is_, options, UNSAID)) and not self.probes:
            values, queue = usual_values(obj, size), type(obj).__machine__.queue
            statement = self.db.prepared(INSERT_USUAL)
        else:
            spawn = stamped(Spawn(obj, *options), self.probes)
            parameters, queue = parameters_of(spawn, size), enqueue.queue_of(spawn)
            statement = self.db.prepared(statement_for(parameters))
            values = statement.values(parameters)
        row = run_single(self.given, statement, values)
        if not row:
            return None
        self.notifier.announce({queue})
        return self._handle(int(row[0][0] or 0), True)

    def _handle(self, id: int, created: bool) -> Handle:
        return Handle(id, created, cast("Durable", self))

    def _batch(self, objs: Iterable[FSM | Spawn]) -> enqueue.Batch:
        return enqueue.Batch.of(objs, self.probes, self.settings.max_size)
