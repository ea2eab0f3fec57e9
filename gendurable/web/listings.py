"""The pages about limits and schedules: what is in force, what comes of it, and what to change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Response

from gendurable.queries import gatekeeping
from gendurable.settings import ConcurrencyLimit, RateLimit
from gendurable.web import instances, tally
from gendurable.web.reading import snapshot

if TYPE_CHECKING:
    from gendurable.engine.limits import StoredLimit
    from gendurable.web.page import Page


@dataclass
class Gate:
    """A limit by its kind and name: what holds, what it wins over, and how much it is used."""

    kind: str
    name: str
    limit: ConcurrencyLimit | RateLimit
    declared: ConcurrencyLimit | RateLimit | None = None
    is_override: bool = False
    running: int = 0
    waiting: int = 0


def limits(page: Page) -> Response:
    """The limits that are in force, how much they keep back, and behind which keys."""
    db = page.durable.db
    with snapshot(page.durable) as conn:
        now = tally.now(page, conn)
        use = gatekeeping.use(conn, db)
        gates = _gates(page.durable.limits(session=conn), use)
        behind, dry = gatekeeping.behind(conn, db), gatekeeping.dry(conn, db)
    return page.render(
        "limits.html",
        now=now,
        gates=gates,
        behind=behind[: gatekeeping.KEYS],
        dry=dry[: gatekeeping.KEYS],
        more=len(behind) > gatekeeping.KEYS or len(dry) > gatekeeping.KEYS,
        keys=gatekeeping.KEYS,
        many=gatekeeping.MANY,
        uncounted=_full(use),
        place=lambda kind, key: instances.place(page, kind, key),
        said=page.said,
    )


def schedules(page: Page) -> Response:
    """What is started by the clock: when next, what became of it, and what keeps it."""
    with snapshot(page.durable) as conn:
        now = tally.now(page, conn)
        rows = page.durable.schedules(session=conn)
    return page.render("schedules.html", now=now, rows=rows, said=page.said)


def _gates(stored: Iterable[StoredLimit], use: Sequence[Any]) -> list[Gate]:
    """Return the limits by kind and name; an override is in force, whatever was declared."""
    gates: dict[tuple[str, str], Gate] = {}
    for one in sorted(stored, key=lambda one: one.source == "override"):
        gate = gates.setdefault((one.kind, one.name), Gate(one.kind, one.name, one.limit))
        if one.source == "override":
            gate.limit, gate.is_override = one.limit, True
        else:
            gate.declared = one.limit
    for row in use:
        if (row.kind, row.name) in gates:
            setattr(gates[row.kind, row.name], row.what, row.count)
    return [gates[key] for key in sorted(gates)]


def _full(use: Sequence[Any]) -> frozenset[tuple[str, str]]:
    """Return the kinds of counts that stopped: there are more of them than were looked at."""
    seen: dict[tuple[str, str], int] = {}
    for row in use:
        seen[row.kind, row.what] = seen.get((row.kind, row.what), 0) + row.count
    return frozenset(key for key, number in seen.items() if number >= gatekeeping.CAP)
