"""The numbers of an installation: its queues, what has ended lately, and its workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gendurable.lifecycle import TERMINAL, Status
from gendurable.queries import numbers as query

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gendurable.queries.statement import Database
    from gendurable.settings import Settings

#: A worker that has not beaten for so many of its intervals is taken for dead.
SILENT = 3


@dataclass(frozen=True, slots=True)
class Count:
    """The instances of one queue with one status; ``oldest`` in seconds.

    Runnable ones age from when they were due (negative: none is yet), others from when they
    came to their status. ``due`` may start now, ``blocked`` and ``paused`` may not.
    """

    queue: str
    status: Status
    count: int
    oldest: float
    due: int
    blocked: int
    paused: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A worker: what it serves, how long it has lived and how long ago it beat, in seconds."""

    name: str
    queues: tuple[str, ...]
    age: float
    beat: float


@dataclass(frozen=True, slots=True)
class Held:
    """A queue that is paused: for how many seconds, by whom, and why."""

    queue: str
    age: float
    by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Stats:
    """The numbers at one instant; ``ended`` counts by status, in the last minute and hour."""

    counts: tuple[Count, ...]
    ended: Mapping[Status, tuple[int, int]]
    workers: tuple[Seen, ...]
    held: tuple[Held, ...] = ()


def silence(settings: Settings) -> float:
    """Return after how many seconds without a heartbeat a worker is taken for dead."""
    return SILENT * float(settings.heartbeat_interval)


def stats(conn: Connection, db: Database) -> Stats:
    """Return the numbers as this snapshot shows them."""
    counts = (
        Count(queue, Status(status), *rest)
        for queue, status, *rest in query.rows(conn, db, query.COUNTS)
    )
    (row,) = query.rows(conn, db, query.ENDED)
    ended = {
        status: (row._mapping[f"{status}_minute"], row._mapping[f"{status}_hour"])
        for status in Status
        if status in TERMINAL
    }
    workers = (
        Seen(name, tuple(queues), age, beat)
        for name, queues, age, beat in query.rows(conn, db, query.WORKERS)
    )
    held = (Held(*row) for row in query.rows(conn, db, query.HELD))
    return Stats(tuple(counts), ended, tuple(workers), tuple(held))
