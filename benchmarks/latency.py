"""Latency: from a call here to the first line of the step there, idle and under load."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

import gendurable as gd
from benchmarks.board import Board
from benchmarks.machines import LINKS, Chain, Parked, Probe
from benchmarks.scenario import Figures, percentiles
from benchmarks.stage import ROOT, Stage, wait_for

_STATUS = text("SELECT status FROM gendurable.instances WHERE id = :id")
WARM_UP = 5
#: The longest pause between two samples, in seconds: each meets the worker at another moment.
PAUSE = 0.02


def start(stage: Stage, samples: int) -> Figures:
    """From before the insert until the job starts, and until its end is seen in the database."""
    return _start(stage, samples)


def start_loaded(stage: Stage, samples: int) -> Figures:
    """The same while the worker has more to do than it can, all of it less urgent."""
    with _load(stage):
        return _start(stage, samples)


def signal(stage: Stage, samples: int) -> Figures:
    """From before the signal until the step that waited for it starts."""
    return _signal(stage, samples)


def signal_loaded(stage: Stage, samples: int) -> Figures:
    """The same while the worker has more to do than it can, all of it less urgent."""
    with _load(stage):
        return _signal(stage, samples)


def chain(stage: Stage, samples: int) -> Figures:
    """From before the insert until a chain of ten steps is seen to be done."""
    with _idle_worker(stage, 1) as (_, conn):

        def sample(n: int) -> list[float]:
            began = time.monotonic()
            handle = stage.durable.insert(Chain())
            wait_for(lambda: _is(conn, handle, "done"))
            return [time.monotonic() - began]

        [waits] = _samples(samples, sample)
    found = percentiles("done", waits)
    return {**found, "a step p50": found["done p50"] / LINKS}


def _start(stage: Stage, samples: int) -> Figures:
    with _idle_worker(stage, samples + WARM_UP) as (board, conn):

        def sample(n: int) -> list[float]:
            began = time.monotonic()
            handle = stage.durable.insert(Probe(sample=n))
            ran = board.ran(n) - began
            wait_for(lambda: _is(conn, handle, "done"))
            return [ran, time.monotonic() - began]

        started, done = _samples(samples, sample)
    return {**percentiles("start", started), **percentiles("done", done)}


def _signal(stage: Stage, samples: int) -> Figures:
    with _idle_worker(stage, samples + WARM_UP) as (board, conn):

        def sample(n: int) -> list[float]:
            handle = stage.durable.insert(Parked(sample=n))
            board.parked(n)
            wait_for(lambda: _is(conn, handle, "awaiting_signal"))
            time.sleep(random.random() * PAUSE)
            began = time.monotonic()
            handle.signal("go")
            return [board.ran(n) - began]

        [waits] = _samples(samples, sample)
    return percentiles("resumed", waits)


def _samples(samples: int, sample: Callable[[int], list[float]]) -> list[list[float]]:
    found = []
    for n in range(samples + WARM_UP):
        found.append(sample(n))
        time.sleep(random.random() * PAUSE)
    return [list(column) for column in zip(*found[WARM_UP:], strict=True)]


@contextmanager
def _idle_worker(stage: Stage, samples: int) -> Iterator[tuple[Board, Connection]]:
    with Board(samples=samples) as board, stage.working(board) as team, stage.raw() as conn:
        stage.settle()
        team.go()
        yield board, conn


@contextmanager
def _load(stage: Stage) -> Iterator[None]:
    """Keep a backlog of less urgent jobs before the worker, from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.feeder", stage.url, "--priority", "10"]
    feeder = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert feeder.stdout is not None
        feeder.stdout.readline()
        yield
    finally:
        feeder.terminate()
        feeder.communicate()


def _is(conn: Connection, handle: gd.Handle, status: str) -> bool:
    return bool(conn.scalar(_STATUS, {"id": handle.id}) == status)
