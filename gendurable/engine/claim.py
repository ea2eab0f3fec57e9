"""Claim a batch: the rows, their inboxes, and the machines that know how to run them."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING

from gendurable import events
from gendurable.engine.nouns import Claim, Claimed
from gendurable.queries import claim as query
from gendurable.queries import leases
from gendurable.queries import signals as inbox
from gendurable.signals import ReceivedSignal, Signals

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from gendurable.queries.statement import Database
    from gendurable.registry import Catalogue

EMPTY = Signals()

log = logging.getLogger("gendurable")


def claim(
    conn: Connection,
    db: Database,
    queue: str,
    demand: int,
    *,
    worker: str,
    ttl: float,
    catalogue: Catalogue,
    ahead: int = 0,
    binding: str = "default",
) -> Claimed:
    """Claim up to *demand* rows of *queue*, and *ahead* more that no limit concerns.

    Rows that nobody here knows are set aside in the same transaction.
    """
    rows, next_due = query.claim(conn, db, queue, demand + ahead, worker, ttl)
    if not rows:
        return Claimed([], next_due)
    mail = _inboxes(conn, db, (row[0] for row in rows))
    known: list[Claim] = []
    unknown: list[tuple[int, int]] = []
    for row in rows:
        machine = catalogue.find(row[1], row[2])
        if machine is not None and (row[3] in machine.steps or machine.version != row[2]):
            known.append(Claim(row, mail.get(row[0], EMPTY), machine))
        else:
            unknown.append((row[0], row[7] + 1))
            _warn(row[1], row[2], row[3])
            events.emit(events.fsm_unknown, binding, id=row[0], fsm=row[1], step=row[3])
    if unknown:
        leases.release(conn, db, worker, unknown, why="unknown")
    return Claimed(known, None, len(unknown), again=bool(unknown))


@cache
def _warn(fsm: str, version: int, step: str) -> None:
    """Say, once for each, what this process has not imported."""
    log.warning(
        "%s version %d, step %r, is not known here: its instances are set aside until a worker"
        " that has imported it takes them back",
        fsm,
        version,
        step,
    )


def _inboxes(conn: Connection, db: Database, ids: Iterable[int]) -> dict[int, Signals]:
    found: dict[int, list[ReceivedSignal]] = defaultdict(list)
    for target, id, name, payload, dedup_key, at in inbox.inboxes(conn, db, ids):
        value = None if payload is None else json.loads(payload)
        found[target].append(ReceivedSignal(id, name, value, dedup_key, at))
    return {target: Signals(tuple(items)) for target, items in found.items()}
