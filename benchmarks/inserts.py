"""Inserting: one commit a row, and a thousand rows a call, each with its handle."""

from __future__ import annotations

import time

from benchmarks.floor import BULK
from benchmarks.machines import Noop
from benchmarks.scenario import Figures
from benchmarks.stage import Stage


def one(stage: Stage, rows: int) -> Figures:
    """``durable.insert`` in a transaction of its own."""
    stage.durable.insert(Noop())
    began = time.monotonic()
    for _ in range(rows):
        stage.durable.insert(Noop())
    return {"rate": rows / (time.monotonic() - began)}


def many(stage: Stage, rows: int) -> Figures:
    """``durable.insert_all``, the objects made meanwhile."""
    stage.durable.insert(Noop())
    began = time.monotonic()
    for _ in range(rows // BULK):
        handles = stage.durable.insert_all([Noop() for _ in range(BULK)])
        assert None not in handles
    return {"rate": rows // BULK * BULK / (time.monotonic() - began)}
