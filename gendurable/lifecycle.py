"""The states of an instance, and the law: which query module may move a row along which edge.

The tests read ``EDGES``: a statement that moves a row otherwise, or from another module, fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where an instance stands; the values are those of the enum type in the database."""

    RUNNABLE = "runnable"
    EXECUTING = "executing"
    AWAITING_SIGNAL = "awaiting_signal"
    AWAITING_CHILDREN = "awaiting_children"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL: Final = frozenset({Status.DONE, Status.FAILED, Status.CANCELLED})
LIVE: Final = frozenset(Status) - TERMINAL
PARKED: Final = frozenset({Status.AWAITING_SIGNAL, Status.AWAITING_CHILDREN})


@dataclass(frozen=True, slots=True)
class Edge:
    """A move of a row, and the one query module that makes it."""

    name: str
    sources: frozenset[Status]
    targets: frozenset[Status]
    module: str


def _edge(name: str, sources: frozenset[Status], module: str, *targets: Status) -> Edge:
    return Edge(name, sources, frozenset(targets), module)


_RUNNABLE: Final = frozenset({Status.RUNNABLE})
_EXECUTING: Final = frozenset({Status.EXECUTING})
_AWAITING_SIGNAL: Final = frozenset({Status.AWAITING_SIGNAL})
_AWAITING_CHILDREN: Final = frozenset({Status.AWAITING_CHILDREN})

EDGES: Final = (
    _edge("insert", frozenset(), "enqueue", Status.RUNNABLE),
    _edge("claim", _RUNNABLE, "claim", Status.EXECUTING),
    _edge("wait for a limit", _RUNNABLE, "claim", Status.RUNNABLE),
    _edge("run ahead", _EXECUTING, "outcomes", Status.EXECUTING),
    _edge(
        "outcome",
        _EXECUTING,
        "outcomes",
        Status.RUNNABLE,
        Status.AWAITING_SIGNAL,
        Status.AWAITING_CHILDREN,
        Status.DONE,
        Status.FAILED,
    ),
    _edge("give back", _EXECUTING, "leases", Status.RUNNABLE),
    _edge("reap", _EXECUTING, "deaths", Status.RUNNABLE),
    _edge("wake by signal", _AWAITING_SIGNAL, "signals", Status.RUNNABLE),
    _edge("wake by children", _AWAITING_CHILDREN, "children", Status.RUNNABLE),
    _edge("wake by deadline", PARKED, "timers", Status.RUNNABLE),
    _edge("end by hand or budget", LIVE, "control", Status.CANCELLED, Status.FAILED),
    _edge(
        "retry",
        frozenset({Status.FAILED, Status.CANCELLED}),
        "control",
        Status.RUNNABLE,
        Status.AWAITING_SIGNAL,
        Status.AWAITING_CHILDREN,
    ),
    _edge("rewind", frozenset(Status), "edits", Status.RUNNABLE),
    _edge("patch", _EXECUTING, "edits", Status.RUNNABLE),
    _edge("delete", TERMINAL, "retention"),
)
