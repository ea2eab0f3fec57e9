"""The pictures of machines, where this release can draw them."""

from __future__ import annotations

import base64
import importlib
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gendurable.machine import Machine

log = logging.getLogger("gendurable.web")


def picture(
    machine: Machine, *, at: str | None = None, counts: Mapping[str, int] | None = None
) -> str | None:
    """Return the picture of *machine* as the address of an image, None if none can be drawn.

    It is shown as an image, not as a part of the page: whatever stands in it, it runs no script
    and leaves the page's style alone.
    """
    try:
        graph: Any = importlib.import_module("gendurable.graph")
    except ModuleNotFoundError:
        return None
    try:
        drawn: str = graph.svg(graph.read(machine.cls), highlight=at, counts=dict(counts or {}))
    except Exception:  # a class whose code cannot be read is no reason to show nothing at all
        log.warning("no picture of %s could be drawn", machine, exc_info=True)
        return None
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.encode()).decode()
