"""What hangs on an outcome beside its own row: children, signals, the parent, history."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

from gendurable.engine import crash
from gendurable.engine.barrier import count_barriers
from gendurable.engine.enqueue import insert_rows
from gendurable.engine.spawning import adopted
from gendurable.queries import children, history, leases, signals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from gendurable.engine.nouns import Committed, Finished
    from gendurable.queries.enqueue import Row
    from gendurable.queries.statement import Database


def insert_children(
    conn: Connection, db: Database, batch: Sequence[Finished]
) -> dict[int, dict[str, object]]:
    """Insert all children of the batch, before any key is freed; say what that makes of parents.

    A parent waits for the children that were inserted; without any it goes straight on.
    """
    births: dict[int, dict[str, object]] = {}
    rows: list[Row] = []
    parents: list[int] = []
    for one in batch:
        if one.kind == "children":
            births[one.claim.id] = {"status": "runnable", "timeout": None, "quorum": None}
            rows += adopted(one.children, one.claim.id, one.claim.round + 1)
            parents += [one.claim.id] * len(one.children)
    pending: dict[int, int] = defaultdict(int)
    order = range(len(rows)) if any(one.keyed for one in batch) else None
    for parent, id in zip(parents, insert_rows(conn, db, rows, order), strict=True):
        if id is not None:
            pending[parent] += 1
    for one in batch:
        count = pending.get(one.claim.id)
        if count:
            births[one.claim.id] = {"pending": count, **_quorum(one, count)}
    return births


def _quorum(one: Finished, count: int) -> dict[str, object]:
    """A quorum that the inserted children cannot reach has nothing to wait for."""
    quorum = one.fields.get("quorum")
    if quorum is not None and quorum > count:
        return {"status": "runnable", "timeout": None, "pending": 0}
    return {}


def settle(conn: Connection, db: Database, batch: Sequence[Finished], answer: Committed) -> None:
    """Consume signals, look for mail of what parked, count ended children."""
    consumed = [id for one in batch for id in one.consumed]
    if consumed:
        signals.consume(conn, db, consumed)
    parked = [one.claim.id for one in batch if one.kind == "await"]
    if parked:
        presented = [id for one in batch for id in one.presented]
        answer.woken |= signals.recheck(conn, db, parked, presented)
    barriers = count_barriers(
        (one.claim.parent_id, one.claim.parent_round, one.kind == "done")
        for one in batch
        if one.ends
    )
    if barriers:
        answer.woken |= children.count(conn, db, barriers)
    for one in batch:
        answer.woken |= one.child_queues


def give_back(
    conn: Connection, db: Database, worker: str, batch: Sequence[Finished], answer: Committed
) -> None:
    """Set aside what this build cannot load, and give back what its own thread crashed on."""
    invalid = [(one.claim.id, one.claim.claim_seq) for one in batch if one.kind == "invalid"]
    if invalid:
        leases.release(conn, db, worker, invalid, why="invalid")
    crashed = [crash.Corpse.of(one) for one in batch if one.kind == "crashed"]
    if crashed:
        answer.woken |= crash.bury(conn, db, crashed).queues


def record(conn: Connection, db: Database, worker: str, batch: Sequence[Finished]) -> None:
    """Write the history of those outcomes that leave one."""
    entries = [
        json.dumps(
            {
                "instance_id": one.claim.id,
                "kind": one.kind,
                "step": one.claim.step,
                "attempt": one.claim.attempt,
                "visit": one.claim.visit,
                "duration": one.duration,
                "worker": worker,
                **one.entry,
            }
        )
        for one in batch
        if one.entry is not None
    ]
    if entries:
        history.record(conn, db, entries)
