"""How things stand, added up queue by queue and worker by worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gendurable.engine.numbers import silence
from gendurable.queries import overview as query
from gendurable.queries import traffic
from gendurable.web import display

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from gendurable.machine import Machine
    from gendurable.queries.statement import Statement
    from gendurable.web.page import Page

#: No sample of a slice is taken to cover less than this: many rows end in one commit.
_SHORTEST = 0.02


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
    paused: int = 0
    oldest: datetime | None = None
    workers: int = 0
    ended: dict[str, list[float]] = field(default_factory=dict)
    #: The row of the pause, if the queue is held.
    pause: Any = None
    #: Which of the counts stopped: there are more.
    more: set[str] = field(default_factory=set)

    @property
    def held(self) -> int:
        """How many are runnable but kept back by a limit, or set aside."""
        return self.key + self.rate + self.aside

    @property
    def is_lonely(self) -> bool:
        """Whether there is work, and nobody who would do it."""
        return not self.workers and bool(self.ready or self.later or self.held)

    def count(self, what: str, number: int, cap: int | None = None) -> None:
        """Add to one of the counts; what reaches *cap* has not been counted to its end."""
        setattr(self, what, getattr(self, what) + number)
        if number == cap:
            self.more.add(what)

    def told(self, *what: str) -> str:
        """Return the sum of some counts in words; with a plus if there are more."""
        number = sum(getattr(self, one) for one in what)
        return display.at_least(number) if self.more & set(what) else display.number(number)

    def done(self) -> list[float]:
        """About how many were done in each slice of time, oldest first."""
        return self.ended.get("done", [0.0] * traffic.SLICES)[::-1]

    def per_minute(self, status: str) -> float:
        """About how many ended so per minute, over the last few minutes."""
        slices = self.ended.get(status, [])
        return round(sum(slices) * 60 / (traffic.SLICES * traffic.SLICE), 1)


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


def running(page: Page, conn: Connection) -> Sequence[Any]:
    """Return (queue, locked_by, count) of what executes now."""
    return _read(page, conn, query.RUNNING)


def queues(
    page: Page, conn: Connection, running: Sequence[Any], workers: list[dict[str, Any]]
) -> list[Queue]:
    """Return every queue with something in it, someone on it, or a machine for it, by name."""
    found = Queues()
    _count(page, conn, found)
    for row in running:
        found[row.queue].count("running", row.count)
    _add_ended(found, traffic.ended(conn, page.durable.db))
    for worker in workers:
        for name in worker["queues"] if worker["alive"] else ():
            found[name].workers += 1
    for machine in list(page.durable.catalogue.machines().values()):
        found[machine.queue].count("ready", 0)
    return found.all()


def _count(page: Page, conn: Connection, found: Queues) -> None:
    groups = _read(page, conn, query.GROUPS)[0]
    cap = query.fit(2 * groups.lanes + groups.places + groups.held)
    for row in _read(page, conn, query.LANES[cap]):
        one = found[row.queue]
        one.count("ready", row.due, cap)
        one.count("later", row.later, cap)
        one.oldest = min(one.oldest or row.oldest, row.oldest)
    for row in _read(page, conn, query.PARKED_ROWS[cap]):
        what = "on_signals" if row.status == "awaiting_signal" else "on_children"
        found[row.queue].count(what, row.count, cap)
    for row in _read(page, conn, query.PAUSED_ROWS[cap]):
        found[row.queue].count("paused", row.count, cap)
    for row in _read(page, conn, query.HELD_QUEUES):
        found[row.queue].pause = row
    _add_blocked(found, _read(page, conn, query.BLOCKED))


def _add_blocked(found: Queues, rows: Sequence[Any]) -> None:
    """Add what is kept back; where not all was looked at, no queue's count is whole."""
    seen: dict[str, int] = {}
    for row in rows:
        seen[row.what] = seen.get(row.what, 0) + row.count
        found[row.queue].count(row.what, row.count)
    for row in rows:
        if seen[row.what] >= (query.FEW if row.what == "aside" else query.CAP):
            found[row.queue].more.add(row.what)


def _add_ended(found: Queues, rows: Sequence[Any]) -> None:
    """Add what has ended; a sample of a slice stands for all of it."""
    samples: dict[tuple[str, int], tuple[int, float]] = {}
    for row in rows:
        number, reach = samples.get((row.status, row.slice), (0, 0.0))
        samples[row.status, row.slice] = number + row.count, max(reach, row.reach)
    for row in rows:
        number, reach = samples[row.status, row.slice]
        is_all = number < (traffic.DONE if row.status == "done" else traffic.BAD)
        scale = 1.0 if is_all else traffic.SLICE / max(reach, _SHORTEST)
        slices = found[row.queue].ended.setdefault(row.status, [0.0] * traffic.SLICES)
        slices[row.slice] += row.count * scale


def workers(
    page: Page, conn: Connection, now: datetime, running: Sequence[Any]
) -> list[dict[str, Any]]:
    """Return the workers, those that live first; of one that is gone its leases may be left."""
    in_hand: dict[str, int] = {}
    for row in running:
        in_hand[row.locked_by] = in_hand.get(row.locked_by, 0) + row.count
    silent = silence(page.durable.settings)
    listed = [
        {
            "name": row.name,
            "queues": row.queues,
            "machines": sorted({fsm for fsm, _, _ in row.machines}),
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


def held(page: Page, conn: Connection) -> frozenset[str]:
    """Return the names of the queues that are paused."""
    return frozenset(row.queue for row in _read(page, conn, query.HELD_QUEUES))


def standing(page: Page, conn: Connection, machine: Machine) -> tuple[dict[str, int], bool]:
    """Return how many live instances stand at each step of a machine, and whether that is all."""
    rows = traffic.standing(conn, page.durable.db, machine.name, machine.queue)
    seen: dict[str, int] = {}
    counts: dict[str, int] = {}
    for row in rows:
        seen[row.status] = seen.get(row.status, 0) + row.count
        if row.step is not None:
            counts[row.step] = counts.get(row.step, 0) + row.count
    return counts, all(number < traffic.SAMPLE for number in seen.values())


def _read(page: Page, conn: Connection, statement: Statement) -> Sequence[Any]:
    return query.read(conn, page.durable.db, statement)
