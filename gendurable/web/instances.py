"""The pages about instances: the list with its filters, and everything about one."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import BadRequest, NotFound
from werkzeug.wrappers import Response

from gendurable.posting import spelled
from gendurable.queries import browse, details, lookup, traffic
from gendurable.queries import overview as counting
from gendurable.web import pictures
from gendurable.web.actions import offered
from gendurable.web.reading import snapshot
from gendurable.web.tally import held

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gendurable.queries.browse import Walk
    from gendurable.web.page import Page

#: The lists that there are: what ``status=`` may be, how it is called, and in which order it is.
LISTS: Mapping[str, tuple[str, str]] = {
    "": ("All", "the youngest first"),
    "runnable": ("Ready", "in the order in which they will start"),
    "executing": ("Running", "the one that beat longest ago first"),
    "awaiting_signal": ("Awaiting signals", "by queue, the eldest first"),
    "awaiting_children": ("Awaiting children", "by queue, the eldest first"),
    "failed": ("Failed", "the latest first"),
    "cancelled": ("Cancelled", "the latest first"),
    "done": ("Done", "the latest first"),
    "key": ("Behind a key", "by key, in the order in which they will start"),
    "rate": ("Out of tokens", "by limit, in the order in which they will start"),
    "aside": ("Set aside", "by machine"),
    "paused": ("Paused", "by queue, the eldest first"),
}
#: The walks that can keep to one queue.
_BY_QUEUE = frozenset({"runnable", "awaiting_signal", "awaiting_children", "paused"})
#: Generations of a family that are shown below an instance, and how many of a generation.
GENERATIONS = 3
MOST = 100
ENDED = frozenset({"done", "failed", "cancelled"})


def listing(page: Page) -> Response:
    """The instances of one status, or all, as far as the filters let them through."""
    wanted = {name: page.asked(name) for name in ("status", "fsm", "queue", "key", "step")}
    status, parent = wanted["status"] or "", _number(page.asked("parent"))
    if status not in LISTS:
        raise BadRequest(f"There is no list called {status!r}.")
    if (goal := page.asked("find")) is not None:
        return _find(page, goal)
    walk = _walk(status, wanted["queue"], parent)
    filters = _filters(wanted) | {"parent": parent}
    since = _since(walk, page.asked("from"))
    with snapshot(page.durable) as conn:
        now = counting.read(conn, page.durable.db, counting.CLOCK)[0].now
        queues_held = held(page, conn)
        rows, edge, full = browse.page(conn, page.durable.db, walk, since, filters)
    query = {**wanted, "parent": parent}
    narrowed = any(wanted[name] for name in ("fsm", "queue", "key", "step"))
    return page.render(
        "instances.html",
        now=now,
        rows=rows,
        lists=LISTS,
        status=status,
        wanted=wanted,
        parent=parent,
        narrowed=narrowed,
        queues_held=queues_held,
        begins=page.asked("from") is None,
        first=page.url("instances", **query),
        further=edge and page.url("instances", **query, **{"from": _packed(edge)}),
        full=full,
        window=browse.WINDOW,
        machines=sorted({name for name, _ in page.durable.catalogue.machines()}),
    )


def one(page: Page, id: int) -> Response:
    """One instance: how it stands and why, its inbox, family, history and picture."""
    durable, db = page.durable, page.durable.db
    before = _number(page.asked("before")) or 2**63 - 1
    if not 0 < id < 2**63:
        raise NotFound(f"There is no instance {id}.")
    with snapshot(durable) as conn:
        row = details.row(conn, db, id)
        if row is None:
            raise NotFound(
                f"There is no instance {id}. It may have been deleted: those that have ended go"
                " after a while."
            )
        machine = durable.catalogue.find(row.fsm, row.fsm_version)
        values = {
            "inbox": details.inbox(conn, db, id, _number(page.asked("after")) or 0),
            "history": details.history(conn, db, id, before),
            "elders": details.ancestors(conn, db, id),
            "census": details.census(conn, db, id),
            "family": _family(page, conn, id),
            "held": row.queue in held(page, conn),
            "why": durable.explain(id, session=conn) if row.status == "runnable" else None,
        }
        ways = pictures.gone(traffic.own_ways(conn, db, id)) if machine else {}
    return page.render(
        "instance.html",
        row=row,
        now=row.now,
        ended=row.status in ENDED,
        machine=machine,
        ways=ways,
        picture=machine and pictures.picture(machine, at=row.step, ways=ways),
        actions=offered(page, row, machine),
        said=page.said,
        shown=details.SHOWN,
        cut=details.CUT,
        many=details.MANY,
        spelled=spelled,
        is_latest=page.asked("before") is None,
        **values,
    )


def place(page: Page, status: str, key: str) -> str:
    """Return the address of the list of those who wait, from where they wait for *key*."""
    since = (key, *browse.WALKS[status].start[1:])
    return page.url("instances", status=status, **{"from": _packed(since)})


def _find(page: Page, goal: str) -> Response:
    """Go to the instance that *goal*, an id or a key, names; else list what begins like it."""
    target = _number(goal)
    with snapshot(page.durable) as conn:
        found = lookup.find(conn, page.durable.db, target) if target else None
        found = found or lookup.find(conn, page.durable.db, goal)
    if found is not None:
        return page.redirect(page.url(f"instances/{found.id}"))
    return page.redirect(page.url("instances", key=goal))


def _walk(status: str, queue: str | None, parent: int | None) -> Walk:
    """Choose the walk through the table that reads least for what is asked."""
    if parent is not None:
        return browse.WALKS["children"]
    if status in _BY_QUEUE and queue is not None:
        return browse.WALKS[f"{status}_in"]
    return browse.WALKS[status or "all"]


def _filters(wanted: Mapping[str, str | None]) -> dict[str, Any]:
    return {
        "by_fsm": wanted["fsm"],
        "by_queue": wanted["queue"],
        "by_key": wanted["key"],
        "by_step": wanted["step"],
        "in_queue": wanted["queue"],
    }


def _since(walk: Walk, packed: str | None) -> Sequence[Any]:
    """Return the key that an address says to go on from.

    Raises:
        BadRequest: it is none of this walk.
    """
    if packed is None:
        return walk.start
    try:
        key: list[Any] = json.loads(base64.urlsafe_b64decode(packed.encode()))
        for value, kind, is_instant in zip(
            key, browse.kinds(walk), browse.instants(walk), strict=True
        ):
            if type(value) is not kind:
                raise ValueError(value)
            if is_instant and value not in ("infinity", "-infinity"):
                datetime.fromisoformat(str(value))
    except (ValueError, TypeError) as error:
        raise BadRequest("This is no place in this list; begin anew.") from error
    return key


def _packed(key: Sequence[Any]) -> str:
    parts = [part.isoformat() if isinstance(part, datetime) else part for part in key]
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def _family(page: Page, conn: Connection, id: int) -> dict[int, Sequence[Any]]:
    """Return the children of an instance, of those the children, and so on, by parent."""
    family: dict[int, list[Any]] = {}
    generation, seen = [id], 0
    for _ in range(GENERATIONS):
        rows = details.children(conn, page.durable.db, generation)
        for row in rows:
            family.setdefault(row.parent_id, []).append(row)
        seen += len(rows)
        generation = [row.id for row in rows][:MOST]
        if not generation or seen >= MOST:
            break
    return dict(family)


def _number(text: str | None) -> int | None:
    """Return *text* as an id."""
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > 19:
        return None
    return int(text) if 0 < int(text) < 2**63 else None
