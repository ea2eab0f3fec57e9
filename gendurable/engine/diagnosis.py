"""Look a live database over: what must always hold, what slows it down, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gendurable import migrations
from gendurable.engine import limits, slowness
from gendurable.engine.numbers import silence
from gendurable.engine.slowness import Verdict
from gendurable.errors import SchemaError
from gendurable.queries import claim, numbers
from gendurable.queries import diagnosis as query
from gendurable.settings import ConcurrencyLimit

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gendurable.queries.statement import Database
    from gendurable.settings import Settings

#: How long after its end a lease may be found, in seconds: sweeps come every second.
GRACE = 10.0
#: A table with fewer rows may well be read from end to end.
SMALL = 1_000


def examine(conn: Connection, db: Database, settings: Settings) -> tuple[Verdict, ...]:
    """Return a verdict on each invariant and each hindrance, as this snapshot shows them."""
    if (schema := _schema(conn, db)).level != "ok":
        return (schema,)
    return (
        schema,
        *_limits(conn, db, settings),
        _none(
            conn,
            db,
            query.LATE_SIGNALS,
            "signals of the done",
            "{count:,} signals lie in the inbox of instances that are done",
            "this is a fault of the engine: report it; the rows may be deleted",
        ),
        _none(
            conn,
            db,
            query.BARRIERS,
            "barriers",
            "{count:,} parents wait for another number of children than live in their round",
            "cancel and retry each (`gendurable cancel`, `gendurable retry`): that counts anew;"
            " then report it",
        ),
        _none(
            conn,
            db,
            query.EXPIRED,
            "expired leases",
            "{count:,} leases ran out and nobody took the rows back",
            "no worker with a reaper runs: start one (`gendurable worker`)",
            grace=GRACE,
        ),
        _claim_plan(conn, db),
        *_aside(conn, db),
        *_queues(conn, db, silence(settings)),
        *slowness.dead(conn, db),
        slowness.oldest(conn, db),
    )


def _schema(conn: Connection, db: Database) -> Verdict:
    try:
        migrations.check(conn, db.schema)
    except SchemaError as error:
        return Verdict("schema", "violated", str(error), "gendurable schema upgrade")
    return Verdict("schema", "ok", f"at {migrations.current(conn, db.schema)}")


def _none(
    conn: Connection,
    db: Database,
    statement: Any,
    name: str,
    text: str,
    advice: str,
    **parameters: Any,
) -> Verdict:
    """Ask for (count, example) of what must not be there."""
    ((count, example),) = query.rows(conn, db, statement, **parameters)
    if not count:
        return Verdict(name, "ok", "all right")
    return Verdict(name, "violated", text.format(count=count), advice, count, example)


def _limits(conn: Connection, db: Database, settings: Settings) -> Iterator[Verdict]:
    """Hold what executes and what waits against the limits: the database's, else the binding's."""
    keys = dict(settings.concurrency_limits)
    rates = set(settings.rate_limits)
    for stored in sorted(limits.stored(conn, db), key=lambda one: one.source == "override"):
        if isinstance(stored.limit, ConcurrencyLimit):
            keys[stored.name] = stored.limit
        else:
            rates.add(stored.name)
    yield from _keys(conn, db, {name: one.limit for name, one in keys.items()})
    yield from _rates(conn, db, rates)


def _keys(conn: Connection, db: Database, allowed: Mapping[str, int]) -> Iterator[Verdict]:
    """Say which concurrency keys have more executing instances than they may."""
    found = query.rows(conn, db, query.KEYS)
    over = [
        (key, count, most, example)
        for key, count, example in found
        if count > (most := allowed.get(key.partition(":")[0], 1))
    ]
    for key, count, most, example in over:
        yield Verdict(
            "concurrency keys",
            "violated",
            f"{count:,} instances of {key!r} execute, {most:,} may",
            "if the limit was lowered just now, look again in a while; else report it",
            count,
            example,
        )
    if not over:
        yield Verdict("concurrency keys", "ok", f"{len(found):,} in use, none beyond its limit")


def _rates(conn: Connection, db: Database, known: set[str]) -> Iterator[Verdict]:
    """Say which rate limits rows wait for that nobody configures."""
    for key, count, example in query.rows(conn, db, query.RATES):
        name = key.partition(":")[0]
        if name not in known:
            yield Verdict(
                "rate limits",
                "warning",
                f"{count:,} instances wait for tokens of {name!r}, which nobody configures",
                f"give bind(rate_limits=...) an entry {name!r}, or set the limit in the database",
                count,
                example,
            )


def _claim_plan(conn: Connection, db: Database) -> Verdict:
    """Say whether a claim finds its rows by the index made for it."""
    queues = query.rows(conn, db, query.QUEUES)
    queue = queues[0].queue if queues else "default"
    values = {"in_queue": queue, "up_to": 10, "worker": "doctor", "ttl": 30.0}
    nodes = list(_nodes(query.plan(conn, db, claim.CLAIM, values)))
    read = [n for n in nodes if n["Node Type"] == "Seq Scan" and n["Relation Name"] == "instances"]
    if not read:
        return Verdict("claim plan", "ok", "on its index")
    if (rows := sum(queue.count for queue in queues)) < SMALL:
        return Verdict("claim plan", "ok", "reads a small table from end to end")
    return Verdict(
        "claim plan",
        "violated",
        f"a claim of {queue!r} reads the whole table of instances",
        f'run ANALYZE "{db.schema}".instances, and see whether its index instances_claim is valid',
        rows,
    )


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


def _aside(conn: Connection, db: Database) -> Iterator[Verdict]:
    """Say which rows were set aside."""
    for blocked, fsm, version, step, count, example in (rows := query.rows(conn, db, query.ASIDE)):
        what = "no worker knew it" if blocked == "unknown" else "its state did not load"
        advice = (
            "deploy a worker that has this machine, or an upgrade to a newer version"
            if blocked == "unknown"
            else "mend the class or the state, then `gendurable upgrade-state`"
        )
        yield Verdict(
            "set aside",
            "warning",
            f"{count:,} at {step!r} of {fsm} version {version}: {what}",
            f"{advice}; `gendurable check` says more",
            count,
            example,
        )
    if not rows:
        yield Verdict("set aside", "ok", "none")


def _queues(conn: Connection, db: Database, silent: float) -> Iterator[Verdict]:
    """Say which queues have work that is due and no worker."""
    workers = [one for one in numbers.rows(conn, db, numbers.WORKERS) if one.beat < silent]
    served = {queue for worker in workers for queue in worker.queues}
    alone = [
        one
        for one in query.rows(conn, db, query.QUEUES)
        if one.queue not in served and (one.waiting or 0) > 0
    ]
    for queue, count, waiting in alone:
        yield Verdict(
            "queues",
            "warning",
            f"{queue!r} has work that has been due for {waiting:,.0f} s, and no worker serves it",
            f"start one: gendurable worker ... -q {queue}=10",
            count,
        )
    if not alone:
        yield Verdict("queues", "ok", f"what is due is served; workers that live: {len(workers):,}")
