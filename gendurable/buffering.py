"""Inserts that do not wait for their commit."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from gendurable.callers import working
from gendurable.engine import enqueue, limits
from gendurable.engine.probes import Probe, stamped
from gendurable.engine.spawning import encode_row
from gendurable.fsm import FSM
from gendurable.limiting import Limiting
from gendurable.retry import Duration
from gendurable.runtime.buffer import Buffer, Entry
from gendurable.runtime.farewell import wait_for
from gendurable.settings import Settings
from gendurable.spawn import LIVE, Key, Scope, Spawn


class Buffering(Limiting):
    """Inserting without waiting, for work that may be lost."""

    settings: Settings
    buffer: Buffer
    probes: tuple[Probe, ...]

    def insert_nowait(
        self,
        obj: FSM,
        *,
        queue: str | None = None,
        priority: int = 0,
        delay: Duration | None = None,
        at: datetime | None = None,
        correlation_key: Key | None = None,
        correlation_scope: Scope | Literal["live", "all"] | None = LIVE,
        concurrency_key: Key | None = None,
        rate_limit: Key | None = None,
        weight: int = 1,
        headers: dict[str, Any] | None = None,
    ) -> None:
        """Have an instance inserted soon, with many others, by a background thread.

        For work that may be lost when this process crashes: it is committed some milliseconds
        later, in a transaction of its own, and when the process exits in good order. What finds
        its correlation key taken is dropped. If the answer to a commit is lost with the
        connection, the rows are inserted once more: a correlation key tells that.

        It waits only where it cannot be otherwise: when 10,000 rows wait already, and for a rate,
        which has to be known to the database, it inserts at once. The arguments are those of
        ``insert``.

        Raises:
            InvalidInput: an argument is not acceptable, or the state cannot be stored.
            UnknownLimit: nobody configures the rate limit.
        """
        spawn = Spawn(
            obj,
            queue,
            priority,
            delay,
            at,
            correlation_key,
            correlation_scope,
            "return",
            concurrency_key,
            rate_limit,
            weight,
            headers,
        )
        spawn = stamped(spawn, self.probes)
        entry = Entry(encode_row(spawn, self.settings.max_size), enqueue.queue_of(spawn))
        if rate_limit is not None or not self.buffer.put(entry):
            with working(self, None) as work:
                batch = enqueue.Batch.of([spawn], (), self.settings.max_size)
                limits.check(work.conn, self.db, self.settings, batch.rated)
                enqueue.insert_batch(work.conn, self.db, batch)
                work.queues.add(entry.queue)

    def flush(self) -> None:
        """Insert at once whatever ``insert_nowait`` has taken, and have workers told of it.

        They are told of all else, too, that this process has committed by now. A database that
        does not answer is waited for no longer than a second: that they look for themselves is
        the floor.

        Raises:
            DBAPIError: the database is away; what is not inserted keeps waiting.
        """
        self.buffer.flush()
        wait_for([self.notifier.hasten()])
