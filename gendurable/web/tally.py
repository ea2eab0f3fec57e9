"""How things stand, added up queue by queue and worker by worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gendurable.queries import overview as query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from gendurable.queries.statement import Statement
    from gendurable.web.page import Page

#: A worker that has not beaten for so many of its intervals is shown as silent.
SILENT = 3
_SLICES = query.RECENT // query.SLICE


@dataclass
class Queue:
    """How things stand in one queue."""

    name: str
    ready: int = 0
    later: int = 0
    running: int = 0
    on_signals: int = 0
    on_children: int = 0
    key: int = 0
    rate: int = 0
    aside: int = 0
    oldest: datetime | None = None
    workers: int = 0
    ended: dict[str, list[int]] = field(default_factory=dict)

    @property
    def held(self) -> int:
        """How many are runnable but kept back by a limit, or set aside."""
        return self.key + self.rate + self.aside

    @property
    def is_lonely(self) -> bool:
        """Whether there is work, and nobody who would do it."""
        return not self.workers and bool(self.ready or self.later or self.held)

    def count(self, what: str, number: int) -> None:
        """Add to one of the counts."""
        setattr(self, what, getattr(self, what) + number)

    def done(self) -> list[int]:
        """How many were done in each slice of time, oldest first; the present one is not over."""
        return self.ended.get("done", [0] * _SLICES)[:0:-1]

    def per_minute(self, status: str) -> float:
        """How many ended so per minute lately; of a very busy queue only the latest are known."""
        slices = self.ended.get(status, [])
        total = sum(slices)
        known = _SLICES
        if total >= query.CAP:
            known = max(n + 1 for n, count in enumerate(slices) if count)
        return round(total * 60 / (known * query.SLICE), 1)


class Queues:
    """The queues by name; one that is named for the first time is empty."""

    def __init__(self) -> None:
        self._found: dict[str, Queue] = {}

    def __getitem__(self, name: str) -> Queue:
        return self._found.setdefault(name, Queue(name))

    def all(self) -> list[Queue]:
        """Return them in the order of their names."""
        return [self._found[name] for name in sorted(self._found)]


def now(page: Page, conn: Connection) -> datetime:
    """Return what time it is in the database."""
    instant: datetime = _read(page, conn, query.CLOCK)[0].now
    return instant


def queues(page: Page, conn: Connection, workers: list[dict[str, Any]]) -> list[Queue]:
    """Return every queue with something in it, someone on it, or a machine for it, by name."""
    found = Queues()
    _count(page, conn, found)
    for row in _read(page, conn, query.ENDED):
        slices = found[row.queue].ended.setdefault(row.status, [0] * _SLICES)
        slices[min(max(row.slice, 0), _SLICES - 1)] += row.count
    for worker in workers:
        for name in worker["queues"] if worker["alive"] else ():
            found[name].workers += 1
    for machine in list(page.durable.catalogue.machines().values()):
        found[machine.queue].count("ready", 0)
    return found.all()


def _count(page: Page, conn: Connection, found: Queues) -> None:
    for row in _read(page, conn, query.LANES):
        one = found[row.queue]
        one.count("ready", row.due)
        one.count("later", row.later)
        one.oldest = min(one.oldest or row.oldest, row.oldest)
    for row in _read(page, conn, query.RUNNING):
        found[row.queue].count("running", row.count)
    for row in _read(page, conn, query.PARKED_ROWS):
        what = "on_signals" if row.status == "awaiting_signal" else "on_children"
        found[row.queue].count(what, row.count)
    for row in _read(page, conn, query.BLOCKED):
        found[row.queue].count(row.what, row.count)


def workers(page: Page, conn: Connection, now: datetime) -> list[dict[str, Any]]:
    """Return the workers, those that live first; of one that is gone its leases may be left."""
    in_hand: dict[str, int] = {}
    for row in _read(page, conn, query.RUNNING):
        in_hand[row.locked_by] = in_hand.get(row.locked_by, 0) + row.count
    silent = SILENT * float(page.durable.settings.heartbeat_interval)
    listed = [
        {
            "name": row.name,
            "queues": row.queues,
            "machines": _names(row.machines),
            "started_at": row.started_at,
            "beat_at": row.beat_at,
            "alive": (now - row.beat_at).total_seconds() < silent,
            "in_hand": in_hand.pop(row.name, 0),
        }
        for row in _read(page, conn, query.NODES)
    ]
    gone: dict[str, Any] = {
        "queues": [],
        "machines": [],
        "started_at": None,
        "beat_at": None,
        "alive": False,
    }
    listed += [{**gone, "name": name, "in_hand": count} for name, count in in_hand.items()]
    return sorted(listed, key=lambda one: (not one["alive"], one["name"]))


def standing(page: Page, conn: Connection, fsm: str) -> dict[str, int]:
    """Return how many live instances of a machine stand at each step, as far as it is counted."""
    rows = query.read(conn, page.durable.db, query.STANDING, machine=fsm)
    return {row.step: row.count for row in rows}


def _read(page: Page, conn: Connection, statement: Statement) -> Sequence[Any]:
    return query.read(conn, page.durable.db, statement)


def _names(machines: Any) -> list[str]:
    """Return the names of the machines that a worker has said to know, however it wrote them."""
    if isinstance(machines, Mapping):
        return sorted(machines)
    found = {
        str(one.get("fsm") if isinstance(one, Mapping) else one[0] if one else one)
        for one in (machines if isinstance(machines, list) else [])
    }
    return sorted(found)
