"""Schedules: what is declared is stored, what is due is inserted, once per occurrence."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy.exc import DBAPIError

from gendurable.engine import enqueue, faults, limits, occurrences
from gendurable.errors import NoTarget
from gendurable.outcomes import KEEP, Keep
from gendurable.queries import due
from gendurable.queries import schedules as query
from gendurable.state import describe

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gendurable.queries.enqueue import Row
    from gendurable.queries.statement import Database
    from gendurable.settings import Settings

log = logging.getLogger("gendurable")

#: How many occurrences of one schedule a transaction inserts, however many were missed.
BATCH = 100

_NO_WORD: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the code says of a schedule: when, and the encoded row that each occurrence inserts."""

    name: str
    cron: str
    timezone: str
    missed: str
    overlap: str
    spec: str
    headers: Mapping[str, Any] | None

    def encode(self, **more: Any) -> str:
        """Return it as a JSON object."""
        names = ("cron", "timezone", "missed", "overlap", "headers")
        fields = json.dumps({"title": self.name} | {n: getattr(self, n) for n in names} | more)
        return f'{fields[:-1]},"spec":{self.spec}}}'


@dataclass(frozen=True, slots=True)
class Fired:
    """What became of a schedule that was due: instances inserted, and occurrences skipped."""

    name: str
    ids: list[int]
    skipped: int
    queue: str


def store(conn: Connection, db: Database, declarations: Iterable[Declaration]) -> None:
    """Let the database know what is declared; what was edited at run time stays and wins.

    When a schedule is due next changes only with its expression or its zone.
    """
    declared = {one.name: one for one in declarations}
    if not declared:
        return
    query.store(conn, db, [one.encode() for one in declared.values()])
    rows = []
    for row in query.lock(conn, db, declared):
        one = declared[row.name]
        timing = (row.cron_override or one.cron, row.timezone_override or one.timezone)
        upcoming = row.next_at
        try:
            if upcoming is None or timing != _timing(row):
                upcoming = occurrences.first_after(*timing, row.now)
        except Exception as error:  # an override that this build does not know
            _set_aside(conn, db, row.name, error)
        else:
            rows.append(one.encode(upcoming=upcoming and upcoming.isoformat()))
    query.declare(conn, db, rows)


def fire(conn: Connection, db: Database, word: Mapping[str, str] = _NO_WORD) -> Fired | None:
    """Insert what is due of one schedule and move it on; None if no schedule is due.

    *word* is what goes along in the headers of the instances, for tracers. Inserting and moving
    on happen in the caller's transaction, under the lock of the schedule, so an occurrence is
    inserted once. A schedule that cannot fire is set aside with its reason.
    """
    row = due.take(conn, db)
    if row is None:
        return None
    try:
        with conn.begin_nested():
            return _fire(conn, db, row, word)
    except Exception as error:  # such as an expression or a zone that this build does not know
        if isinstance(error, DBAPIError) and not faults.is_refusal(error):
            raise
        _set_aside(conn, db, row.name, error)
        return Fired(row.name, [], 0, "")


def _set_aside(conn: Connection, db: Database, name: str, error: Exception) -> None:
    log.error("schedule %r is set aside, it cannot fire", name, exc_info=error)
    due.set_aside(conn, db, name, describe(error))


def _fire(conn: Connection, db: Database, row: Any, word: Mapping[str, str]) -> Fired:
    cron, timezone = _timing(row)
    found = occurrences.due(cron, timezone, row.missed, row.next_at, row.now, BATCH)
    last = found[-1] if found else row.now
    chosen, skipped = found, list[datetime]()
    if row.overlap == "skip" and found:
        chosen = [] if _lives(conn, db, row) else found[:1]
        skipped = found[len(chosen) :]
    ids = enqueue.insert_plain(conn, db, [_instance(row, one, word) for one in chosen])
    due.advance(
        conn,
        db,
        row.name,
        {
            "upcoming": occurrences.first_after(cron, timezone, last),
            "occurred": chosen[-1] if chosen else None,
            "inserted": ids[-1] if ids else None,
            "passed_over": skipped[-1] if skipped else None,
            "count_fired": len(chosen),
            "count_skipped": len(skipped),
        },
    )
    return Fired(row.name, ids, len(skipped), queue_of(row))


def trigger(
    conn: Connection,
    db: Database,
    settings: Settings,
    name: str,
    word: Mapping[str, str] = _NO_WORD,
) -> Fired:
    """Insert an instance of a schedule now; when it is due next stays as it is.

    Where occurrences must not overlap, one whose instance still lives is not forgotten by this.

    Raises:
        NoTarget: there is no such schedule.
        UnknownLimit: nobody configures its rate.
        InvalidInput: its weight is above the burst of that.
    """
    row = _locked(conn, db, name)
    limits.check_spec(conn, db, settings, row.spec)
    ids = enqueue.insert_plain(conn, db, [_instance(row, row.now, word, triggered=True)])
    hidden = row.overlap == "skip" and _lives(conn, db, row)
    due.advance(
        conn,
        db,
        name,
        {
            "upcoming": row.next_at,
            "occurred": None,
            "inserted": None if hidden else ids[0],
            "passed_over": None,
            "count_fired": 0,
            "count_skipped": 0,
        },
    )
    return Fired(name, ids, 0, queue_of(row))


def edit(
    conn: Connection,
    db: Database,
    name: str,
    cron: str | Keep | None = KEEP,
    timezone: str | Keep | None = KEEP,
    paused: bool | None = None,
) -> None:
    """Override expression or zone (None: as declared again), pause or resume a schedule.

    What would have been due while it was paused, or by its former expression, is not missed.

    Raises:
        NoTarget: there is no such schedule.
    """
    row = _locked(conn, db, name)
    new_cron = row.cron_override if isinstance(cron, Keep) else cron
    new_timezone = row.timezone_override if isinstance(timezone, Keep) else timezone
    timing = (new_cron or row.cron, new_timezone or row.timezone)
    was_paused = row.paused_at is not None
    is_paused = was_paused if paused is None else paused
    upcoming = row.next_at
    if upcoming is None or timing != _timing(row) or (was_paused and not is_paused):
        upcoming = occurrences.first_after(*timing, row.now)
    query.edit(
        conn,
        db,
        name,
        {
            "new_cron": new_cron,
            "new_timezone": new_timezone,
            "is_paused": is_paused,
            "upcoming": upcoming,
        },
    )


def no_schedule(name: str) -> NoTarget:
    """Return the error for a schedule that is not there."""
    return NoTarget(
        f"there is no schedule {name!r} in the database: none was declared here with"
        " durable.schedule(), and no worker has stored one"
    )


def _locked(conn: Connection, db: Database, name: str) -> Any:
    rows = query.lock(conn, db, [name])
    if not rows:
        raise no_schedule(name)
    return rows[0]


def _timing(row: Any) -> tuple[str, str]:
    """Return the expression and the zone that hold: an override, or what was declared."""
    return row.cron_override or row.cron, row.timezone_override or row.timezone


def _lives(conn: Connection, db: Database, row: Any) -> bool:
    """Say whether the instance that a schedule has inserted before has not ended."""
    return row.last_id is not None and due.is_alive(conn, db, row.last_id)


def _instance(row: Any, occurrence: datetime, word: Mapping[str, str], **more: Any) -> Row:
    """Return the encoded row of an instance, whose headers say what it was inserted for."""
    _, timezone = _timing(row)
    when = occurrence.astimezone(ZoneInfo(timezone)).isoformat()
    headers: dict[str, Any] = {**word, **json.loads(row.headers or "{}")}
    headers |= {"schedule": row.name, "occurrence": when} | more
    return f'\n"headers":{json.dumps(headers)},{row.spec[1:-1]}'


def queue_of(schedule: Any) -> str:
    """Return the queue that a schedule inserts into, as declared or as stored."""
    queue: str = json.loads(schedule.spec)["queue"]
    return queue
