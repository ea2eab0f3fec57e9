"""Families: one parent fans out to many children and goes on when the last of them has ended."""

from __future__ import annotations

import time

from benchmarks.board import Board
from benchmarks.machines import Fan
from benchmarks.scenario import Figures
from benchmarks.stage import Stage


def fan(stage: Stage, width: int) -> Figures:
    """From before the insert of the parent until it is seen to be done."""
    with Board() as board, stage.working(board) as team:
        stage.settle()
        team.go()
        began = time.monotonic()
        end = stage.durable.insert(Fan(width=width)).wait(timeout=3_600, until="terminal")
        took = time.monotonic() - began
        if (end.status, end.result) != ("done", width * (width - 1) // 2):
            raise AssertionError(f"the parent has ended as {end}")
        return {"rate": width / took, "seconds": took, "memory MB": team.memory}
