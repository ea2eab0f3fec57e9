"""The states of an instance, and the law: which module may move a row along which edge."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Where an instance stands; the values are those of the enum type in the database."""

    RUNNABLE = "runnable"
    EXECUTING = "executing"
    AWAITING_SIGNAL = "awaiting_signal"
    AWAITING_CHILDREN = "awaiting_children"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({Status.DONE, Status.FAILED, Status.CANCELLED})
LIVE = frozenset(Status) - TERMINAL
PARKED = frozenset({Status.AWAITING_SIGNAL, Status.AWAITING_CHILDREN})
