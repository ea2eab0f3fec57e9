"""Threads that work for event loops."""

from __future__ import annotations

import asyncio
import os
import threading
from contextvars import ContextVar

import pytest
from sqlalchemy import NullPool, create_engine

from gendurable.runtime.connections import enough_threads
from gendurable.runtime.threads import Threads

WORD: ContextVar[str] = ContextVar("word", default="nothing")


def test_knows_the_context_of_who_calls():
    """Context variables go along, and are nobody else's afterwards."""
    threads = Threads("test", 1)

    async def main() -> list[str]:
        WORD.set("something")
        return [await threads.call(WORD.get), await threads.begin(WORD.get)]

    assert asyncio.run(main()) == ["something", "nothing"]


def test_answers_and_errors_are_those_of_the_work():
    """What the work returns or raises, its caller gets."""
    threads = Threads("test", 1)

    assert asyncio.run(threads.call(lambda: 7)) == 7
    with pytest.raises(ZeroDivisionError):
        asyncio.run(threads.call(lambda: 1 // 0))


def test_as_many_as_are_needed():
    """There is none before the first work, and as many as work at once, up to a bound."""
    threads = Threads("test-many", 3)
    together = threading.Barrier(3, timeout=10)

    def named() -> int:
        return sum(one.name.startswith("test-many") for one in threading.enumerate())

    async def main() -> None:
        assert named() == 0
        await asyncio.gather(*(threads.call(together.wait) for _ in range(6)))
        assert named() == 3

    asyncio.run(main())


def test_is_made_anew_in_a_forked_child():
    """A child of a process that has used them has threads of its own."""
    threads = Threads("test", 1)
    assert asyncio.run(threads.call(os.getpid)) == os.getpid()

    child = os.fork()
    if child == 0:
        status = 1
        try:
            found = asyncio.run(asyncio.wait_for(threads.call(os.getpid), 10))
            status = 0 if found == os.getpid() else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ({"pool_size": 3, "max_overflow": 2}, 10),
        ({"pool_size": 0}, 200),
        ({"max_overflow": -1}, 200),
        ({"poolclass": NullPool}, 200),
    ],
)
def test_more_than_there_are_connections(options, most):
    """There is always one who asks the pool in vain, and is told so when its patience ends."""
    assert enough_threads(create_engine("postgresql+psycopg://", **options)) == most
