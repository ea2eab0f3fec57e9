"""The pictures of machines: where instances stand, and which ways they went."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from gendurable import graph

if TYPE_CHECKING:
    from gendurable.machine import Machine

log = logging.getLogger("gendurable.web")


def picture(
    machine: Machine,
    *,
    at: str | None = None,
    counts: Mapping[str, int] | None = None,
    ways: Mapping[tuple[str, str], int] | None = None,
) -> str | None:
    """Return the picture of *machine* as the address of an image, None if none can be drawn.

    It is shown as an image, not as a part of the page: whatever stands in it, it runs no script
    and leaves the page's style alone.
    """
    try:
        drawn = graph.svg(graph.read(machine.cls), highlight=at, counts=counts, edge_counts=ways)
    except Exception:  # a class whose code cannot be read is no reason to show nothing at all
        log.warning("no picture of %s could be drawn", machine, exc_info=True)
        return None
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.encode()).decode()


def gone(rows: Iterable[Any]) -> dict[tuple[str, str], int]:
    """Return how often each line of a picture was gone, from what the entries of histories tell."""
    found: dict[tuple[str, str], int] = {}
    for row in rows:
        target = _ENDS.get(row.kind, row.step if row.kind in _AGAIN else row.target)
        if target is not None:
            found[row.step, target] = found.get((row.step, target), 0) + row.count
    return found


_ENDS = {"done": graph.DONE, "stop": graph.FAILED}
_AGAIN = frozenset({"retry", "snooze"})
