"""Claim a batch: the rows, their inboxes, and the machines that know how to run them."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, Any

from gendurable import events
from gendurable.engine.limiter import KEY, MAIL, STARTED, Admission, admit, in_order
from gendurable.engine.limits import name_of
from gendurable.engine.nouns import Claim, Claimed
from gendurable.queries import claim as query
from gendurable.queries import leases
from gendurable.queries import signals as inbox
from gendurable.signals import ReceivedSignal, Signals

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from gendurable.queries.statement import Database
    from gendurable.registry import Catalogue

EMPTY = Signals()
#: How many rows a worker claims at a time at most.
BATCH = query.BATCH

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
    single: bool = False,
) -> Claimed:
    """Claim up to *demand* rows of *queue*, and *ahead* more that no limit concerns.

    Rows that nobody here knows are set aside. Where each statement is its own transaction
    (*single*), rows with a limit cannot be judged: it is told that they were met.

    Raises:
        IntegrityError: another claim was first in a slot of a key; the claim is to be repeated.
    """
    rows, next_due = query.claim(conn, db, queue, demand + ahead, worker, ttl)
    if not rows:
        return Claimed([], next_due)
    claimed = Claimed([])
    started: Sequence[Any] = [row for row in rows if row[STARTED]]
    claimed.limited = len(started) < len(rows)
    if claimed.limited and not single:
        verdict = admit(conn, db, queue, rows, demand, worker=worker, ttl=ttl)
        started = in_order([*started, *verdict.rows])
        _take_note(claimed, verdict, binding)
    letters = [row[0] for row in started if row[MAIL]]
    mail = inboxes(conn, db, letters) if letters else {}
    unknown: list[tuple[int, int]] = []
    for row in started:
        machine = catalogue.find(row[1], row[2])
        if machine is not None and (row[3] in machine.steps or machine.version != row[2]):
            claimed.claims.append(Claim(row, mail.get(row[0], EMPTY), machine))
        else:
            unknown.append((row[0], row[7] + 1))
            claimed.look.update(key for key in row[KEY : KEY + 1] if key is not None)
            _warn(row[1], row[2], row[3])
            events.emit(events.fsm_unknown, binding, id=row[0], fsm=row[1], step=row[3])
    if unknown:
        aside = leases.release(conn, db, worker, unknown, why="unknown")
        claimed.aside = len(unknown)
        claimed.strays = len(aside) < len(unknown)
        claimed.again = True
    return claimed


def _take_note(claimed: Claimed, verdict: Admission, binding: str) -> None:
    """Pass on what a judgement means to the worker, and tell of those who wait."""
    claimed.again = verdict.again or bool(verdict.marked)
    claimed.contended = bool(verdict.contended)
    claimed.crowded = verdict.crowded
    claimed.marked = verdict.marked
    claimed.look |= verdict.look
    claimed.timer = verdict.timer
    for event, counts in (
        (events.concurrency_contended, dict.fromkeys(verdict.contended, 1)),
        (events.concurrency_throttled, verdict.throttled),
        (events.rate_limit_throttled, verdict.dry),
    ):
        if event.receivers:
            for key, number in counts.items():
                events.emit(event, binding, count=number, key=key)
    for rate, row in verdict.unknown.items():
        tell_of_stranger(binding, rate, verdict.dry[rate], row[1], row[3])


def tell_of_stranger(binding: str, rate: str, count: int, fsm: str, step: str) -> None:
    """Say that *count* rows, one of them at this step, wait for a rate that nobody configures."""
    name = name_of(rate)
    _warn_rate(name)
    events.emit(
        events.rate_limit_unknown,
        binding,
        count=count,
        key=rate,
        name=name,
        fsm=fsm,
        step=step,
    )


@cache
def _warn_rate(name: str) -> None:
    """Say, once for each, which rate nobody configures."""
    log.warning(
        "rows wait for the rate %r, which nobody configures: add it to bind(rate_limits=...), or"
        " call set_limit",
        name,
    )


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


def inboxes(conn: Connection, db: Database, ids: Iterable[int]) -> dict[int, Signals]:
    """Return what lies in the inboxes of these rows."""
    found: dict[int, list[ReceivedSignal]] = defaultdict(list)
    for target, id, name, payload, dedup_key, at in inbox.inboxes(conn, db, ids):
        value = None if payload is None else json.loads(payload)
        found[target].append(ReceivedSignal(id, name, value, dedup_key, at))
    return {target: Signals(tuple(items)) for target, items in found.items()}
