"""The pages about everything at once: overview, machines and workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from gendurable.queries import browse, traffic
from gendurable.web import pictures, tally
from gendurable.web.reading import snapshot

if TYPE_CHECKING:
    from gendurable.machine import Machine
    from gendurable.web.page import Page

#: How many of the latest failures are shown.
FAILURES = 8


def overview(page: Page) -> Response:
    """Everything at a glance: the queues, who works on them, and what failed lately."""
    with snapshot(page.durable) as conn:
        now = tally.now(page, conn)
        running = tally.running(page, conn)
        workers = tally.workers(page, conn, now, running)
        queues = tally.queues(page, conn, running, workers)
        failed = browse.WALKS["failed"]
        failures, _, _ = browse.page(conn, page.durable.db, failed, failed.start, browse.NO_FILTERS)
    total = tally.Queue("")
    for queue in queues:
        for name in ("ready", "later", "running", "on_signals", "on_children"):
            total.count(name, getattr(queue, name))
        total.more |= queue.more
        if queue.oldest is not None and queue.oldest <= now:
            total.oldest = min(total.oldest or queue.oldest, queue.oldest)
    rates = {
        status: sum(queue.per_minute(status) for queue in queues)
        for status in ("done", "failed", "cancelled")
    }
    return page.render(
        "overview.html",
        now=now,
        queues=queues,
        total=total,
        rates=rates,
        workers=workers,
        failures=failures[:FAILURES],
    )


def nodes(page: Page) -> Response:
    """The workers: whether they live, what they serve and what they have in hand."""
    with snapshot(page.durable) as conn:
        now = tally.now(page, conn)
        workers = tally.workers(page, conn, now, tally.running(page, conn))
    return page.render("nodes.html", now=now, workers=workers)


def machines(page: Page) -> Response:
    """The machines that this process knows, or the one that is asked for."""
    if (name := page.asked("name")) is not None:
        return machine(page, name)
    known = page.durable.catalogue.machines()
    return page.render("machines.html", machines=[known[key] for key in sorted(known)])


def machine(page: Page, name: str) -> Response:
    """One machine: its picture, with how many stand at each step, and its settings."""
    found = _machine(page, name)
    with snapshot(page.durable) as conn:
        counts, is_all = tally.standing(page, conn, found)
        ways = pictures.gone(traffic.all_ways(conn, page.durable.db, found.name))
    steps = list(dict.fromkeys(step.name for step in found.steps.values()))
    return page.render(
        "machine.html",
        machine=found,
        steps=steps,
        counts=counts,
        is_all=is_all,
        sample=traffic.SAMPLE,
        entries=traffic.ALL if ways else 0,
        picture=pictures.picture(found, counts=counts, ways=ways),
        doc=_doc(found.cls),
    )


def _machine(page: Page, name: str) -> Machine:
    """Find a machine of this name, in the version that is asked for, else in the newest."""
    known = page.durable.catalogue.machines()
    versions = {str(version): one for (other, version), one in known.items() if other == name}
    newest = max(versions, key=int, default="")
    found = versions.get(page.asked("version") or newest)
    if found is None:
        raise NotFound("This process knows no machine of that name and version.")
    return found


def _doc(cls: type[Any]) -> str:
    """Return the first paragraph of what a class says about itself, not about its bases."""
    doc = vars(cls).get("__doc__") or ""
    return " ".join(doc.strip().partition("\n\n")[0].split())
