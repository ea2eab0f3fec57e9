"""What the query modules share: the tables, the statuses as literals, the guard, the clock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    ColumnElement,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.sql.expression import false, null, true

from gendurable.lifecycle import LIVE, PARKED, TERMINAL, Status
from gendurable.models import (
    NOW,
    Bucket,
    Instance,
    Limit,
    Node,
    Pause,
    StoredSchedule,
    StoredSignal,
    Transition,
)

instances = cast(Table, Instance.__table__)
signals = cast(Table, StoredSignal.__table__)
transitions = cast(Table, Transition.__table__)
buckets = cast(Table, Bucket.__table__)
limits = cast(Table, Limit.__table__)
nodes = cast(Table, Node.__table__)
pauses = cast(Table, Pause.__table__)
schedules = cast(Table, StoredSchedule.__table__)

__all__ = [
    "NOW",
    "buckets",
    "instances",
    "limits",
    "nodes",
    "pauses",
    "schedules",
    "signals",
    "transitions",
]


#: A schedule as it is read: its documents as the text that they are, and the time of the reading.
SCHEDULE = (
    *(column for column in schedules.c if column.key not in ("spec", "headers")),
    schedules.c.spec.cast(Text).label("spec"),
    schedules.c.headers.cast(Text).label("headers"),
    NOW.label("now"),
)


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

#: What a claim reads of a row, in the order in which it is unpacked.
CLAIM_COLUMNS = (
    instances.c.id,
    instances.c.fsm,
    instances.c.fsm_version,
    instances.c.step,
    instances.c.state.cast(Text).label("state"),
    instances.c.attempt,
    instances.c.visit,
    instances.c.claim_seq,
    instances.c.awaits,
    instances.c.queue,
    instances.c.priority,
    instances.c.correlation_key,
    instances.c.correlation_scope,
    instances.c.parent_id,
    instances.c.parent_round,
    instances.c.round,
    instances.c.headers.cast(Text).label("headers"),
    instances.c.timed_out,
    instances.c.crashes,
    instances.c.concurrency_key,
    instances.c.rate_limit,
    instances.c.weight,
    instances.c.eligible_at,
)

#: The advisory locks that claims try to take on concurrency keys: this class, and a hash. Few
#: enough that a claim of many keys does not fill the server's table of locks.
LOCK_CLASS, LOCK_MASK = "1735287404", "4095"

#: Parked, put so that only who means the index of parked rows gets it. The engine looks rows up by
#: id and status; the planner would take an index on these two for a better one than the primary
#: key, and read through all that is parked.
IS_PARKED = case((one_of(PARKED), true()), else_=false())


def hidden(parameter: BindParameter[Any]) -> ColumnElement[Any]:
    """A parameter whose value the planner does not see.

    Where it does, a plan made for the value (two ids, a limit of ten) looks cheaper than one for
    any, and PostgreSQL plans the statement anew at each execution. That takes longer than most of
    them run.
    """
    return select(parameter).scalar_subquery().cast(parameter.type)


IDS = hidden(bindparam("ids", type_=ARRAY(BigInteger)))
WORKER = bindparam("worker", type_=instances.c.locked_by.type)


def is_open(queue: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether nobody holds *queue*: a descent of a tiny index, once a statement for a parameter."""
    return ~exists().where(pauses.c.queue == queue, pauses.c.resumed_at.is_(None))


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


def in_force(kind: str, key: ColumnElement[Any], *columns: ColumnElement[Any]) -> Select[Any]:
    """The limit of a key: an override, else what a binding declares, by the name before a colon."""
    one: ColumnElement[int] = literal_column("1")
    return (
        select(*columns)
        .where(
            limits.c.kind == literal_column(f"'{kind}'"),
            limits.c.name == func.split_part(key, literal_column("':'"), one),
        )
        .order_by(limits.c.source.desc())
        .limit(one)
    )


def policy(key: ColumnElement[Any]) -> Any:
    """The rate in force for a key, as a row beside it."""
    return in_force("rate", key, limits.c.amount, limits.c.per_us, limits.c.burst).lateral("policy")


def with_keys(keys: Select[tuple[str]]) -> ColumnElement[bool]:
    """The buckets with these keys, looked up one by one, as ``among`` does with instances."""
    return buckets.c.key == func.any(func.array(keys.scalar_subquery()))


def waits(why: str) -> ColumnElement[bool]:
    """Out of the claim's sight until somebody lets it in, for a "key" or a "rate"."""
    return and_(
        instances.c.status == RUNNABLE,
        instances.c.blocked == literal_column(f"'{why}'"),
        instances.c.paused_at.is_(None),
    )


#: What leaving a claim sets, whichever edge is taken; a CHECK couples these with the status.
DISOWNED: dict[str, Any] = {
    "locked_by": null(),
    "lease_expires_at": null(),
    "slot": null(),
    "updated_at": NOW,
}
