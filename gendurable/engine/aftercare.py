"""What is to be seen to after a hand has moved rows, once that is committed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gendurable.engine import gates, leases
from gendurable.lifecycle import Status
from gendurable.queries import heads, outcomes

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gendurable.queries.statement import Database


@dataclass(slots=True, eq=False)
class Aftercare:
    """Limits that moved rows may have kept others from, and claims that were taken away.

    Whoever looks before the commit sees nothing of it; to look in vain does no harm.
    """

    keys: set[str] = field(default_factory=set)  # a slot may be free, or nobody stand for a queue
    rates: set[str] = field(default_factory=set)  # another row may be the head of the bucket
    claims: set[tuple[int, int]] = field(default_factory=set)  # their sessions may hold locks
    limits: bool = False  # one has changed: there may be room, or tokens sooner

    def __bool__(self) -> bool:
        return bool(self.keys or self.rates or self.claims or self.limits)

    def moved(self, row: Any) -> None:
        """Note that a row has left its place before the limits that it has."""
        if row.concurrency_key is not None:
            self.keys.add(row.concurrency_key)
        if row.rate_limit is not None:
            self.rates.add(row.rate_limit)

    def taken(self, row: Any) -> None:
        """Note the step that may run and has lost a row, as that was read under its lock.

        One that was cancelled while it executed may not have noticed yet.
        """
        cancelled = row.status == Status.CANCELLED and row.ended_from == Status.EXECUTING
        if cancelled or row.status == Status.EXECUTING:
            self.claims.add((row.id, row.claim_seq))


def attend(conn: Connection, db: Database, care: Aftercare) -> set[str]:
    """See to what a committed transaction has left; return the queues that have work by that.

    Nothing here waits for a row. What is passed over because somebody holds it is found by the
    sweep of a worker.
    """
    if care.claims:
        # Who handed this on may not know whether it was committed: a claim may still be good.
        seen = outcomes.look(conn, db, {id for id, _ in care.claims})
        lost = [pair for pair in care.claims if not _holds(seen.get(pair[0]), pair[1])]
        leases.terminate(conn, [leases.session_name(db, *pair) for pair in lost])
    queues: set[str] = set()
    keys = care.keys | gates.sweep(conn, db) if care.limits else care.keys
    if keys:
        queues |= gates.look(conn, db, keys).queues
    if care.limits:
        gates.stir(conn, db)
    if care.rates:
        heads.reckon(conn, db, care.rates)
    if care.rates or care.limits:
        queues |= gates.ripen(conn, db)[1]
    return queues


def _holds(row: tuple[str | None, int] | None, claim_seq: int) -> bool:
    return row is not None and row[0] is not None and row[1] == claim_seq
