"""What the query modules share: the tables, the statuses as literals, the guard, the clock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    Table,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    text,
)
from sqlalchemy.sql.expression import false, null, true

from gendurable.lifecycle import LIVE, PARKED, TERMINAL, Status
from gendurable.models import NOW, Instance, StoredSignal, Transition

instances = cast(Table, Instance.__table__)
signals = cast(Table, StoredSignal.__table__)
transitions = cast(Table, Transition.__table__)

__all__ = ["NOW", "instances", "signals", "transitions"]


def literal(status: Status) -> ColumnElement[Any]:
    """A status in the statement's text, where a generic plan can match it with a partial index."""
    return literal_column(f"'{status.value}'", instances.c.status.type)


RUNNABLE = literal(Status.RUNNABLE)
EXECUTING = literal(Status.EXECUTING)
AWAITING_SIGNAL = literal(Status.AWAITING_SIGNAL)
AWAITING_CHILDREN = literal(Status.AWAITING_CHILDREN)
FAILED = literal(Status.FAILED)
CANCELLED = literal(Status.CANCELLED)


def one_of(statuses: Iterable[Status], of: Any = None) -> ColumnElement[bool]:
    """``status IN (...)`` with the statuses in the text."""
    names = ", ".join(f"'{status.value}'" for status in Status if status in set(statuses))
    target = instances.c.status if of is None else of
    return cast("ColumnElement[bool]", target.op("IN", is_comparison=True)(text(f"({names})")))


IS_LIVE = one_of(LIVE)
IS_TERMINAL = one_of(TERMINAL)

#: Runnable and in nobody's way: the predicate of the claim's index.
CLAIMABLE = and_(
    instances.c.status == RUNNABLE, instances.c.blocked.is_(None), instances.c.paused_at.is_(None)
)

#: Parked, put so that only who means the index of parked rows gets it. The engine looks rows up by
#: id and status; the planner would take an index on these two for a better one than the primary
#: key, and read through all that is parked.
IS_PARKED = case((one_of(PARKED), true()), else_=false())

IDS = bindparam("ids", type_=ARRAY(BigInteger))
WORKER = bindparam("worker", type_=instances.c.locked_by.type)


def owned(
    claim_seq: ColumnElement[Any], worker: ColumnElement[Any] = WORKER
) -> ColumnElement[bool]:
    """The ownership guard: this worker, by this very claim.

    It does not name the status (a CHECK couples the two), or a planner whose statistics saw no
    executing row would drive a commit through the index of executing rows, quadratically. For
    the same reason the worker's name is tied to the row of the batch: as a plain parameter it
    promises a single row, and the planner would read the whole batch again for each row found.
    """
    name = case((claim_seq.isnot(None), worker))
    return and_(instances.c.locked_by == name, instances.c.claim_seq == claim_seq)


def among(ids: Select[tuple[int]]) -> ColumnElement[bool]:
    """The rows with these ids, looked up one by one in the primary key.

    Under a generic plan PostgreSQL takes a LIMIT that is a parameter for a tenth of the table, and
    a join with what was limited reads the table from end to end. An array it takes for ten.
    """
    return instances.c.id == func.any(func.array(ids.scalar_subquery()))


#: What leaving a claim sets, whichever edge is taken; a CHECK couples these with the status.
DISOWNED: dict[str, Any] = {
    "locked_by": null(),
    "lease_expires_at": null(),
    "slot": null(),
    "updated_at": NOW,
}
