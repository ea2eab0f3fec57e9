"""What a doctor asks a live database: rows that must not be there, and what slows it down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Double,
    Text,
    bindparam,
    extract,
    func,
    literal_column,
    select,
    text,
)

from gendurable.lifecycle import LIVE, Status
from gendurable.queries.parts import (
    AWAITING_CHILDREN,
    EXECUTING,
    IS_LIVE,
    NOW,
    RUNNABLE,
    instances,
    literal,
    one_of,
    signals,
)
from gendurable.queries.statement import Database, Statement, seconds

_count = func.count().label("count")
_example = func.min(instances.c.id).label("example")

#: How many instances of each concurrency key execute.
#:
#: Index   instances_slot
#: Locks   none
#: Race    a snapshot
#: Why     at most K of a key
KEYS = Statement(
    "diagnosis.keys",
    select(instances.c.concurrency_key, _count, _example)
    .where(instances.c.status == EXECUTING, instances.c.concurrency_key.isnot(None))
    .group_by(instances.c.concurrency_key)
    .order_by(_count.desc()),
)

#: Signals in the inbox of instances that are done.
#:
#: Index   instances_ended, signals_target, or a scan of both
#: Locks   none
#: Race    a snapshot
#: Why     ``Done`` deletes the inbox; a later delivery must have been refused
LATE_SIGNALS = Statement(
    "diagnosis.late_signals",
    select(_count, _example)
    .select_from(signals.join(instances, instances.c.id == signals.c.target_id))
    .where(instances.c.status == literal(Status.DONE)),
)

_child = instances.alias("child")
_live_children = (
    select(func.count())
    .where(
        _child.c.parent_id == instances.c.id,
        _child.c.parent_round == instances.c.round,
        one_of(LIVE, _child.c.status),
    )
    .scalar_subquery()
)

#: Parents whose barrier is not the number of live children of its round.
#:
#: Index   instances_parent, for each parent that is parked
#: Locks   none
#: Race    a snapshot: counts and children of one instant
#: Why     a barrier that is too high never opens, one that is too low opens early
BARRIERS = Statement(
    "diagnosis.barriers",
    select(_count, _example).where(
        instances.c.status == AWAITING_CHILDREN, instances.c.children_pending != _live_children
    ),
)

#: Leases that expired and that no reaper has taken back.
#:
#: Index   instances_lease
#: Locks   none
#: Race    a snapshot
#: Why     a sweep comes every second
EXPIRED = Statement(
    "diagnosis.expired",
    select(_count, _example).where(
        instances.c.status == EXECUTING,
        instances.c.lease_expires_at < NOW - seconds(bindparam("grace", type_=Double)),
    ),
)

#: Rows set aside because nobody knows them or could load them.
#:
#: Index   instances_aside
#: Locks   none
#: Race    a snapshot
#: Why     they wait for a deploy
ASIDE = Statement(
    "diagnosis.aside",
    select(
        instances.c.blocked,
        instances.c.fsm,
        instances.c.fsm_version,
        instances.c.step,
        _count,
        _example,
    )
    .where(
        instances.c.blocked.op("IN", is_comparison=True)(literal_column("('unknown', 'invalid')"))
    )
    .group_by(instances.c.blocked, instances.c.fsm, instances.c.fsm_version, instances.c.step)
    .order_by(_count.desc()),
)

#: Rows that wait for tokens, by what they take them from.
#:
#: Index   instances_rate
#: Locks   none
#: Race    a snapshot
#: Why     a limit that nobody configures keeps them waiting for ever
RATES = Statement(
    "diagnosis.rates",
    select(instances.c.rate_limit, _count, _example)
    .where(
        instances.c.status == RUNNABLE,
        instances.c.blocked == literal_column("'rate'"),
        instances.c.paused_at.is_(None),
    )
    .group_by(instances.c.rate_limit),
)

#: Queues with live rows, and how long the first of those that may start has been due.
#:
#: Index   none: it counts the table
#: Locks   none
#: Race    a snapshot
#: Why     a queue that nobody serves
QUEUES = Statement(
    "diagnosis.queues",
    select(
        instances.c.queue,
        _count,
        extract(
            "epoch",
            NOW
            - func.min(instances.c.eligible_at).filter(
                instances.c.status == RUNNABLE,
                instances.c.blocked.is_(None),
                instances.c.paused_at.is_(None),
            ),
        )
        .cast(Double)
        .label("waiting"),
    )
    .where(IS_LIVE)
    .group_by(instances.c.queue)
    .order_by(_count.desc(), instances.c.queue),
)

_schema = bindparam("in_schema", type_=Text)
_stat: Any = (
    select(
        literal_column("relname", Text).label("name"),
        literal_column("n_live_tup").label("live"),
        literal_column("n_dead_tup").label("dead"),
        extract(
            "epoch",
            NOW
            - func.coalesce(
                func.greatest(literal_column("last_vacuum"), literal_column("last_autovacuum")),
                func.pg_postmaster_start_time(),
            ),
        )
        .cast(Double)
        .label("unswept"),
    )
    .select_from(text("pg_stat_user_tables"))
    .where(literal_column("schemaname") == _schema)
    .order_by(literal_column("relname"))
)

#: How many dead rows each table holds, and for how many seconds nobody has vacuumed it.
#:
#: Index   none (statistics)
#: Locks   none
#: Race    an estimate
#: Why     autovacuum that is off, or kept from its work; a busy queue makes ten thousand of them
#:         between two of its rounds, which come once a minute
TUPLES = Statement("diagnosis.tuples", _stat)

#: The oldest transaction of this database, prepared ones among them.
#:
#: Index   none (the list of sessions)
#: Locks   none
#: Race    a snapshot
#: Why     no row that died since it began can be removed
OLDEST = Statement(
    "diagnosis.oldest",
    text(
        "SELECT seconds, who FROM ("
        " SELECT extract(epoch FROM statement_timestamp() - xact_start)::float8 AS seconds,"
        " format('session %s (%s, %s, %s)', pid, usename, application_name, state) AS who"
        " FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
        " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        " UNION ALL"
        " SELECT extract(epoch FROM statement_timestamp() - prepared)::float8,"
        " format('prepared transaction %s (%s)', gid, owner)"
        " FROM pg_prepared_xacts WHERE database = current_database()) AS oldest"
        " ORDER BY seconds DESC LIMIT 1"
    ),
)


def rows(conn: Connection, db: Database, statement: Statement, **parameters: Any) -> Sequence[Any]:
    """Run one of the statements of this module."""
    return db.rows(conn, statement, parameters)


def plan(
    conn: Connection, db: Database, statement: Statement, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the plan of a statement, which is not run."""
    text = f"EXPLAIN (FORMAT JSON) {statement.sql(db.schema)}"
    found: dict[str, Any] = conn.exec_driver_sql(text, dict(parameters)).scalar_one()[0]["Plan"]
    return found
