"""Keeping claims and giving them back, as workers need it."""

from __future__ import annotations

import copy
import json
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import text

from gendurable.engine import crash
from gendurable.models import SCHEMA
from gendurable.queries import deaths, nodes, outcomes, timers
from gendurable.queries import leases as query

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from gendurable.engine.nouns import Claim
    from gendurable.queries.statement import Database
    from gendurable.registry import Catalogue

#: How many rows one turn of the reaper takes at most.
BATCH = 1_000
#: The crash budget of machines that this build does not know.
BUDGET = 10

_TERMINATE = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = ANY(:names) AND pid <> pg_backend_pid()"
)


@dataclass(slots=True)
class Extended:
    """Which claims were lost, and which could not be extended because somebody holds the row."""

    lost: set[tuple[int, int]] = field(default_factory=set)
    skipped: set[tuple[int, int]] = field(default_factory=set)


@dataclass(slots=True)
class Returned:
    """The queues of what went back, and which claims did not, and are to be looked at again."""

    queues: set[str] = field(default_factory=set)
    skipped: set[tuple[int, int]] = field(default_factory=set)


@dataclass(slots=True)
class Fired:
    """How many deadlines had passed, and the queues that have work by that."""

    count: int
    queues: set[str]


@dataclass(slots=True)
class Reaped:
    """What the reaper took from dead workers."""

    count: int = 0
    queues: set[str] = field(default_factory=set)
    backends: list[str] = field(default_factory=list)  # sessions that may still hold locks
    keys: set[str] = field(default_factory=set)  # concurrency keys that have room now


def session_name(db: Database, id: int, claim_seq: int) -> str:
    """Return the ``application_name`` of the session in which the step of a claim runs."""
    schema = db.schema
    if schema != SCHEMA:  # names have 63 bytes at most, and a cut one could be another's
        schema = f"gendurable-{zlib.crc32(schema.encode()):08x}"
    return f"{schema}:{id}:{claim_seq}"


def extend(
    conn: Connection, db: Database, keys: Iterable[tuple[int, int]], worker: str, ttl: float
) -> Extended:
    """Extend the leases of the claims in *keys*: (id, number of the claim)."""
    seqs = dict(keys)
    answer = Extended()
    for id, extended, ours in query.extend(conn, db, worker, seqs.items(), ttl):
        if not extended:
            (answer.skipped if ours else answer.lost).add((id, seqs[id]))
    return answer


def release(
    conn: Connection, db: Database, claims: Iterable[Claim], worker: str, *, attempts: bool
) -> Returned:
    """Give claims back as they were or, with *attempts*, one attempt older."""
    return _release(conn, db, worker, {(one.id, one.claim_seq) for one in claims}, int(attempts))


def exchange(conn: Connection, db: Database, claim: Claim, worker: str, ttl: float) -> Claim | None:
    """Return the claim under a new number, None if it was lost.

    Waits for whoever holds the row, since a claim that cannot be exchanged cannot be abandoned.
    """
    outcomes.lock(conn, db, [claim.id], wait=True)
    seq = query.exchange(conn, db, worker, claim.id, claim.claim_seq, ttl)
    if seq is None:
        return None
    new = copy.copy(claim)
    new.claim_seq = seq
    return new


def strays(conn: Connection, db: Database, worker: str, held: set[tuple[int, int]]) -> Returned:
    """Give back what bears the worker's name and is not *held*.

    Of a row that is held by another claim nobody knows yet: the commit of that one may have claimed
    it anew, and its answer be under way. Such a row is skipped.
    """
    ids = {id for id, _ in held}
    unheld = query.strays(conn, db, worker) - held
    unsure = {pair for pair in unheld if pair[0] in ids}
    answer = _release(conn, db, worker, unheld - unsure, 0) if unheld > unsure else Returned()
    answer.skipped |= unsure
    return answer


def _release(
    conn: Connection, db: Database, worker: str, claims: set[tuple[int, int]], spent: int
) -> Returned:
    returned = query.release(conn, db, worker, claims, spent=spent)
    answer = Returned(set(returned.values()))
    missing = {(id, seq) for id, seq in claims if id not in returned}
    if missing:  # lost meanwhile, or locked by somebody
        seen = outcomes.look(conn, db, [id for id, _ in missing])
        answer.skipped = {(id, seq) for id, seq in missing if seen.get(id) == (worker, seq)}
    return answer


def bury(conn: Connection, db: Database, worker: str) -> int:
    """Let a dead worker's leases lapse, so that the next sweep of any reaper takes its rows."""
    count = deaths.bury(conn, db, worker)
    nodes.leave(conn, db, worker)
    return count


def reap(conn: Connection, db: Database, catalogue: Catalogue, *, grace: float = 1.0) -> Reaped:
    """Return the rows of dead workers to their queues, or fail them when their budget is spent.

    A lapsed row of a worker that still beats gets *grace* more seconds.
    """
    rows = deaths.expired(conn, db, grace, BATCH)
    if not rows:
        return Reaped()
    parents = {row.parent_id for row in rows if row.parent_id is not None}
    locked = outcomes.lock(conn, db, parents) if parents else {}
    exists = outcomes.look(conn, db, parents - locked.keys()) if parents - locked.keys() else {}
    corpses = []
    for row in rows:
        machine = catalogue.find(row.fsm, row.fsm_version)
        corpse = crash.Corpse(
            row.id,
            row.crashes,
            BUDGET if machine is None else machine.max_crashes,
            row.queue,
            f"WorkerDied: worker {row.locked_by} died",
            row.parent_id,
            row.step,
            row.attempt,
            row.visit,
            row.locked_by,
            machine is None or machine.history != "off",
        )
        # Ending a child takes its parent's lock; who holds that goes first.
        if not (corpse.spent and corpse.parent_id in exists):
            corpses.append(corpse)
    buried = crash.bury(conn, db, corpses)
    names = [session_name(db, row.id, row.claim_seq) for row in rows]
    keys = {row.concurrency_key for row in rows if row.concurrency_key is not None}
    return Reaped(len(corpses), buried.queues, names, keys)


def fire_deadlines(conn: Connection, db: Database) -> Fired:
    """Wake what has waited until its deadline."""
    rows = timers.fire(conn, db, BATCH)
    return Fired(len(rows), {row.queue for row in rows})


def next_timer(conn: Connection, db: Database) -> float | None:
    """Return the seconds until the next deadline or end of a lease."""
    return timers.next_timer(conn, db)


def take_back(
    conn: Connection,
    db: Database,
    known: Iterable[tuple[str, int, str | None]],
    *,
    why: str = "unknown",
) -> set[str]:
    """Take back rows set aside as unknown (or invalid) that are known here; name their queues."""
    rows = [
        json.dumps({"fsm": fsm, "fsm_version": version, "step": step})
        for fsm, version, step in known
    ]
    return query.take_back(conn, db, why, rows) if rows else set()


def beat(conn: Connection, db: Database, worker: str, queues: list[str], machines: str) -> None:
    """Say that *worker* lives, and what it serves and knows."""
    nodes.beat(conn, db, worker, queues, machines)


def leave(conn: Connection, db: Database, worker: str) -> None:
    """Say that *worker* has ended in good order."""
    nodes.leave(conn, db, worker)


def forget(conn: Connection, db: Database) -> None:
    """Drop the records of workers that have long been silent."""
    nodes.forget(conn, db)


def terminate(conn: Connection, names: Iterable[str]) -> None:
    """End the database sessions of steps whose claims were taken: they may still hold locks."""
    if wanted := list(names):
        conn.execute(_TERMINATE, {"names": wanted})
