"""Fixtures of the schedules: the engine taken apart, and somebody who waits meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from gendurable.testing.clock import elapse
from tests.races.play import SCRIPT, Play


@pytest.fixture
def play(durable) -> Iterator[Play]:
    """The engine of this test, one function at a time."""
    SCRIPT.clear()
    play = Play(durable)
    yield play
    SCRIPT.clear()
    check(play)


@pytest.fixture
def meanwhile() -> Iterator[Callable[..., Future[Any]]]:
    """Call something in another thread, where it may have to wait; the test takes the result."""
    pool = ThreadPoolExecutor(8)
    yield pool.submit
    pool.shutdown(wait=False, cancel_futures=True)


@pytest.fixture
def blocked_somewhere(engine, eventually) -> Callable[[], None]:
    """Wait until some backend of the test's database waits for somebody's lock."""

    def blocked_somewhere() -> None:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as watcher:
            eventually(lambda: watcher.scalar(WAITING))

    return blocked_somewhere


@pytest.fixture
def elapse_all(play) -> Callable[[float], None]:
    """Let seconds pass for every row."""
    return lambda seconds: elapse(play.durable, seconds)


def check(play: Play) -> None:
    """Check what must hold after every schedule, and no constraint of a table can express."""
    assert not play.rows(PARKED_WITH_NEWS.format(play.unheeded)), "parked, with mail unseen"
    assert not play.rows(BARRIERS), "a barrier is not the number of its live children"
    assert not play.rows(ORPHANS), "a signal on an instance that is done"


WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND cardinality(pg_blocking_pids(pid)) > 0"
)

#: Parked on a name that lies in the inbox, apart from what the parking step was shown.
PARKED_WITH_NEWS = """
    SELECT i.id FROM gendurable.instances i JOIN gendurable.signals s ON s.target_id = i.id
    WHERE i.status = 'awaiting_signal' AND s.consumed_at IS NULL AND s.name = ANY(i.awaits)
    AND s.id <> ALL(ARRAY[{}]::bigint[])"""
BARRIERS = """
    SELECT p.id FROM gendurable.instances p WHERE p.status = 'awaiting_children'
    AND p.children_pending <> (
        SELECT count(*) FROM gendurable.instances c WHERE c.parent_id = p.id
        AND c.parent_round = p.round AND c.status IN ('runnable', 'executing', 'awaiting_signal',
        'awaiting_children'))"""
ORPHANS = """
    SELECT s.id FROM gendurable.signals s JOIN gendurable.instances i ON i.id = s.target_id
    WHERE i.status = 'done'"""
