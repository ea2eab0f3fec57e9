"""Throughput: so many instances, a worker, and the time from "go" until all are done."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

import gendurable as gd
from benchmarks.board import Board
from benchmarks.machines import STEPS, Five, FiveRows, Noop
from benchmarks.scenario import Figures, Refused
from benchmarks.stage import Stage, wait_for

#: How many rows one call of insert_all takes here.
CALL = 5_000
DAY = 86_400


def jobs(stage: Stage, size: int) -> Figures:
    """Jobs that do nothing, one process."""
    return _work(stage, Noop, size)


def jobs_two(stage: Stage, size: int) -> Figures:
    """The same by two processes."""
    return _work(stage, Noop, size, processes=2)


def steps(stage: Stage, size: int) -> Figures:
    """Steps of machines that have five of them."""
    return _work(stage, Five, size // STEPS, STEPS)


def steps_two(stage: Stage, size: int) -> Figures:
    """The same by two processes."""
    return _work(stage, Five, size // STEPS, STEPS, processes=2)


def rows(stage: Stage, size: int) -> Figures:
    """The same, each step writing a row in the transaction of its outcome."""
    return _work(stage, FiveRows, size // STEPS, STEPS)


def far_future(stage: Stage, size: int) -> Figures:
    """Jobs beside ten times as many that are due tomorrow, at a more urgent priority."""
    fill(stage, [gd.Spawn(Noop(), delay=DAY, priority=-10) for _ in range(10 * size)])
    return _work(stage, Noop, size)


def saturated(stage: Stage, size: int) -> Figures:
    """Plain jobs beside as many behind a key of one and a gate of ten; until the last of each."""
    keyed = [
        gd.Spawn(Noop(), concurrency_key="one:busy" if n % 2 else "gate:busy") for n in range(size)
    ]
    try:
        fill(stage, keyed)
    except gd.InvalidInput as error:
        raise Refused(str(error)) from error
    fill(stage, [Noop() for _ in range(size)])
    stage.settle()
    with Board() as board, stage.working(board) as team, stage.raw() as conn:
        began = team.go()
        stage.drain_plain(conn)
        plain = monotonic() - began
        stage.drain(conn)
        return {"plain": size / plain, "all": 2 * size / (monotonic() - began)}


def fill(stage: Stage, objs: Sequence[gd.FSM | gd.Spawn]) -> None:
    """Insert many."""
    for start in range(0, len(objs), CALL):
        stage.durable.insert_all(objs[start : start + CALL])


def _work(
    stage: Stage, kind: type[gd.FSM], instances: int, steps: int = 1, processes: int = 1
) -> Figures:
    fill(stage, [kind() for _ in range(instances)])
    stage.settle()
    with Board() as board:
        with stage.working(board, processes) as team, stage.raw() as conn:
            began = team.go()
            wait_for(lambda: board.total >= 0.98 * instances * steps, pause=0.005)
            stage.drain(conn)
            took = monotonic() - began
        if board.total < instances * steps:
            raise AssertionError(f"{board.total} steps ran, not {instances * steps}")
        return {"rate": instances * steps / took}
