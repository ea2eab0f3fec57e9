"""The edges that an edit takes: back to a step, and out of the hands of a worker."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Integer,
    Text,
    bindparam,
    case,
    func,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from gendurable.queries.parts import (
    DISOWNED,
    EXECUTING,
    IS_LIVE,
    NOW,
    RUNNABLE,
    instances,
    transitions,
)
from gendurable.queries.statement import Database, Statement

_target = instances.c.id == bindparam("target", type_=BigInteger)
_zero: ColumnElement[Any] = literal_column("0")
_stays = bindparam("stays", type_=Boolean)
_new_state = bindparam("to_state", type_=JSONB)
_step = func.coalesce(bindparam("to_step", type_=Text), instances.c.step)
_version = func.coalesce(bindparam("to_version", type_=Integer), instances.c.fsm_version)

#: Read all that an edit must know of a locked row.
#:
#: Index   instances_pkey
#: Locks   held already
#: Race    none under that lock
#: Why     the state is checked against its class before anything is written
READ = Statement(
    "edits.read",
    select(
        instances.c.id,
        instances.c.fsm,
        instances.c.fsm_version,
        instances.c.step,
        instances.c.status,
        instances.c.state.cast(Text).label("state"),
        instances.c.attempt,
        instances.c.visit,
        instances.c.claim_seq,
        instances.c.parent_id,
        instances.c.parent_round,
        instances.c.correlation_key,
        instances.c.concurrency_key,
        instances.c.rate_limit,
        instances.c.ended_from,
    ).where(_target),
)

#: Read an entry of the history.
#:
#: Index   transitions_pkey
#: Locks   none
#: Race    none: entries do not change
#: Why     where, and in which state, an instance stood before that entry
ENTRY = Statement(
    "edits.entry",
    select(
        transitions.c.instance_id,
        transitions.c.kind,
        transitions.c.step,
        transitions.c.state.cast(Text).label("state"),
    ).where(transitions.c.id == bindparam("entry", type_=BigInteger)),
)

#: Set a locked row to a step, as if it had just come there.
#:
#: Index   instances_pkey, instances_correlation
#: Locks   held already, the parent's before
#: Race    its key was taken since: a unique violation, told as DuplicateInstance
#: Why     from whatever status; the claim of whoever executes it is gone, and its barrier closed
REWIND = Statement(
    "edits.rewind",
    update(instances)
    .where(_target)
    .values(
        DISOWNED
        | {
            "status": RUNNABLE,
            "fsm_version": _version,
            "step": _step,
            "state": func.coalesce(_new_state, instances.c.state),
            "result": null(),
            "attempt": _zero,
            "crashes": _zero,
            "visit": instances.c.visit + literal_column("1"),
            "eligible_at": NOW,
            "awaits": case((_stays, instances.c.awaits), else_=null()),
            "rate_limit": case((_stays, instances.c.rate_limit), else_=null()),
            "weight": case((_stays, instances.c.weight), else_=literal_column("1")),
            "deadline": null(),
            "timed_out": literal_column("false"),
            "blocked": null(),
            "quorum": null(),
            "children_pending": _zero,
            "children_done": _zero,
            "ended_from": null(),
        }
    )
    .returning(instances.c.queue),
)

#: Give a locked row another state, and take it from whoever executes it.
#:
#: Index   instances_pkey
#: Locks   held already
#: Race    none under that lock; the late outcome of its worker meets the guard
#: Why     parked ones stay parked and ended ones ended; what did not load is looked at anew
PATCH = Statement(
    "edits.patch",
    update(instances)
    .where(_target)
    .values(
        DISOWNED
        | {
            "status": case((instances.c.status == EXECUTING, RUNNABLE), else_=instances.c.status),
            "fsm_version": _version,
            "step": _step,
            "state": _new_state,
            "attempt": case((IS_LIVE, _zero), else_=instances.c.attempt),
            "crashes": case((IS_LIVE, _zero), else_=instances.c.crashes),
            "visit": instances.c.visit + literal_column("1"),
            "blocked": case(
                (instances.c.blocked == literal_column("'invalid'"), null()),
                else_=instances.c.blocked,
            ),
        }
    )
    .returning(instances.c.queue, instances.c.status),
)


def read(conn: Connection, db: Database, id: int) -> Any:
    """Return a locked row."""
    return db.rows(conn, READ, {"target": id})[0]


def entry(conn: Connection, db: Database, id: int) -> Any | None:
    """Return (instance, kind, step, state) of an entry of the history, None if there is none."""
    rows = db.rows(conn, ENTRY, {"entry": id})
    return rows[0] if rows else None


def rewind(
    conn: Connection,
    db: Database,
    id: int,
    *,
    step: str,
    state: str | None,
    version: int | None,
    stays: bool,
) -> str:
    """Set a locked row to *step*; return its queue.

    With *stays* it stood there before, and keeps what it awaited and the limit of that step.
    """
    parameters = {"target": id, "to_step": step, "to_state": state, "to_version": version}
    return str(db.rows(conn, REWIND, parameters | {"stays": stays})[0][0])


def patch(
    conn: Connection, db: Database, id: int, *, state: str, step: str | None, version: int | None
) -> tuple[str, str]:
    """Give a locked row another state; return its (queue, status)."""
    parameters = {"target": id, "to_step": step, "to_state": state, "to_version": version}
    row = db.rows(conn, PATCH, parameters)[0]
    return row[0], row[1]
