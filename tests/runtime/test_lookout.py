"""Waits of event loops: they look together, are rung for, and leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest

from gendurable.runtime import lookout
from gendurable.runtime.bells import Bells
from gendurable.runtime.lookout import Lookout
from gendurable.runtime.threads import Threads

#: A test that waits longer than this for something that must happen has failed.
PATIENCE = 10.0


class Table:
    """What is read: numbers by id; and how it was read."""

    def __init__(self, threads: int = 1) -> None:
        self.values: dict[int, int] = {}
        self.reads: list[list[int]] = []
        self.threads: set[int] = set()
        self.error: Exception | None = None
        self.waiting: asyncio.Task[int | None] | None = None
        self.bells = Bells()
        self.lookout = Lookout(self.read, Threads("test", threads))
        #: Called in the thread of a look, before and after it.
        self.before: Callable[[], object] = lambda: None
        self.after: Callable[[], object] = lambda: None

    def read(self, ids: list[int]) -> dict[int, int]:
        self.before()
        self.reads.append(sorted(ids))
        self.threads.add(threading.get_ident())
        if self.error is not None:
            raise self.error
        found = {id: self.values[id] for id in ids if id in self.values}
        self.after()
        return found

    def wait(self, id: int, timeout: float | None = PATIENCE):
        """Wait until it is no less than ten."""
        return self.lookout.wait(self.bells, id, lambda value: value >= 10, timeout)

    def set(self, id: int, value: int) -> None:
        """Change a value, and ring."""
        self.values[id] = value
        self.bells.ring([id])


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def unhurried(monkeypatch) -> None:
    """Nothing is looked at twice unless a bell rings."""
    monkeypatch.setattr(lookout, "FIRST", 3600.0)


def test_what_holds_already(table):
    """Where there is nothing to wait for, one look tells."""
    table.values[1] = 10

    assert asyncio.run(table.wait(1)) == 10
    assert table.reads == [[1]]


def test_not_there(table):
    """Who waits for nobody is told so."""
    assert asyncio.run(table.wait(1)) is None


def test_found_by_looking_again(table):
    """What no bell tells of is found all the same."""
    table.values[1] = 0
    table.before = lambda: table.values.update({1: len(table.reads) * 5})

    assert asyncio.run(table.wait(1)) == 10
    assert table.reads == [[1]] * 3


def test_rung_for(table, unhurried):
    """A bell is answered by a look."""
    table.values[1] = 0

    async def main() -> int | None:
        looked = asyncio.Event()
        loop = asyncio.get_running_loop()
        table.after = lambda: loop.call_soon_threadsafe(looked.set)
        waiting = asyncio.create_task(table.wait(1))
        await looked.wait()
        await asyncio.to_thread(table.set, 1, 12)
        return await waiting

    assert asyncio.run(main()) == 12


def test_rung_during_a_look(table, unhurried):
    """A bell that rings while a look is under way, and may be too late for it, asks for another."""
    table.values[1] = 0

    def change() -> None:
        if len(table.reads) == 1:
            table.set(1, 12)

    table.after = change

    assert asyncio.run(table.wait(1)) == 12
    assert table.reads == [[1], [1]]


def test_a_thousand_look_together(table, unhurried):
    """What begins in one turn of the loop is one look, in one thread; so is what a bell tells."""
    ids = list(range(1000))
    table.values = dict.fromkeys(ids, 0)

    async def main() -> list[int | None]:
        looked = asyncio.Event()
        loop = asyncio.get_running_loop()
        table.after = lambda: loop.call_soon_threadsafe(looked.set)
        waits = [asyncio.create_task(table.wait(id)) for id in ids]
        await looked.wait()
        table.values = dict.fromkeys(ids, 10)
        table.bells.ring(ids)
        return await asyncio.gather(*waits)

    assert asyncio.run(main()) == [10] * 1000
    assert table.reads == [ids, ids]
    assert len(table.threads) == 1


def test_no_look_is_for_too_many(table, monkeypatch):
    """However many wait, the loop hears of some at a time, and goes on with others in between."""
    monkeypatch.setattr(lookout, "MOST", 3)
    table.values = dict.fromkeys(range(7), 10)

    async def main() -> list[int | None]:
        return await asyncio.gather(*(table.wait(id) for id in range(7)))

    assert asyncio.run(main()) == [10] * 7
    assert table.reads == [[0, 1, 2], [3, 4, 5], [6]]


def test_those_who_wait_long_look_together(table, monkeypatch):
    """Waits that began at different times come to look at the same time."""
    monkeypatch.setattr(lookout, "FIRST", lookout.LONGEST)
    table.values = {1: 0, 2: 0, 3: 0}

    async def main() -> None:
        for id in (1, 2, 3):
            tasks.append(asyncio.create_task(table.wait(id)))
            await asyncio.sleep(lookout.LONGEST / 4)
        table.after = lambda: len(table.reads) > 8 and table.values.update({1: 10, 2: 10, 3: 10})
        await asyncio.gather(*tasks)

    tasks: list[asyncio.Task[int | None]] = []
    asyncio.run(main())

    assert [1, 2, 3] in table.reads


def test_a_timeout(table, unhurried):
    """After a time it returns how things stand then, and nothing stays behind."""
    table.values[1] = 0

    async def main() -> int | None:
        found = await table.wait(1, timeout=0.01)
        assert empty(table)
        return found

    assert asyncio.run(main()) == 0


def test_no_time_at_all(table):
    """A timeout of nothing is one look."""
    table.values[1] = 3

    assert asyncio.run(table.wait(1, timeout=0)) == 3
    assert table.reads == [[1]]


def test_cancelled_in_the_last_look(table, unhurried):
    """Who is cancelled when his time is over, and while he is told how things stand, is gone."""
    table.values[1] = 0
    go = threading.Event()

    async def main() -> None:
        last = asyncio.Event()
        loop = asyncio.get_running_loop()

        def before() -> None:
            if table.reads:
                loop.call_soon_threadsafe(last.set)
                assert go.wait(PATIENCE)

        table.before = before
        waiting = asyncio.create_task(table.wait(1, timeout=0.01))
        await last.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert empty(table)
        go.set()

    asyncio.run(main())


@pytest.mark.parametrize("when", ["before a look", "during a look", "after a look"])
def test_cancelled(table, unhurried, when):
    """Who is cancelled leaves nothing behind; the others wait on."""
    table.values = {1: 0, 2: 0}
    go = threading.Event()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        began, looked = asyncio.Event(), asyncio.Event()

        def before() -> None:
            loop.call_soon_threadsafe(began.set)
            assert go.wait(PATIENCE)

        table.before = before
        table.after = lambda: loop.call_soon_threadsafe(looked.set)
        one, two = (asyncio.create_task(table.wait(id)) for id in (1, 2))
        await asyncio.sleep(0)
        if when != "before a look":
            await began.wait()
        if when == "after a look":
            go.set()
            await looked.wait()
        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
        assert len(table.bells) == 1
        go.set()
        await asyncio.to_thread(table.set, 2, 10)
        assert await two == 10
        assert empty(table)

    asyncio.run(main())


def test_an_error_is_everybodys(table, unhurried):
    """What a look raises, all learn for whom it looked; the next wait looks anew."""
    table.error = OSError("away")

    async def main() -> None:
        waits = [asyncio.create_task(table.wait(id)) for id in (1, 2)]
        assert await asyncio.gather(*waits, return_exceptions=True) == [table.error] * 2
        assert empty(table)
        table.error, table.values[1] = None, 10
        assert await table.wait(1) == 10

    asyncio.run(main())


def test_a_loop_that_ends(table, unhurried):
    """A loop that ends takes its waits along, and nothing keeps it."""
    table.values[1] = 0

    async def main() -> weakref.ref[asyncio.AbstractEventLoop]:
        table.waiting = asyncio.create_task(table.wait(1))
        await asyncio.sleep(0)
        return weakref.ref(asyncio.get_running_loop())

    there = asyncio.run(main())
    assert table.waiting.cancelled()
    assert empty(table)
    table.waiting = None
    gc.collect()
    assert there() is None


def test_nobodys_context_is_kept(table, unhurried):
    """What a wait had in context variables is gone with it, though others wait on."""
    table.values = {1: 10, 2: 0}
    variable: ContextVar[Table] = ContextVar("variable")

    async def begin() -> weakref.ref[Table]:
        mine = Table()
        variable.set(mine)
        await table.wait(1, timeout=None)
        return weakref.ref(mine)

    async def main() -> None:
        first, other = asyncio.create_task(begin()), asyncio.create_task(table.wait(2))
        there = await first
        del first
        await asyncio.sleep(0)  # the loop lets go of it, too
        gc.collect()
        assert there() is None
        assert table.reads == [[1, 2]]
        other.cancel()

    asyncio.run(main())


def test_a_loop_that_ends_during_a_look(table, caplog):
    """A look that is under way ends when it may, and has nobody to tell."""
    table.values[1] = 0
    go = threading.Event()

    async def main() -> None:
        began = asyncio.Event()
        loop = asyncio.get_running_loop()

        def before() -> None:
            loop.call_soon_threadsafe(began.set)
            assert go.wait(PATIENCE)

        table.before = before
        table.waiting = asyncio.create_task(table.wait(1))
        await began.wait()

    asyncio.run(main())
    go.set()
    table.lookout._threads._started().shutdown()

    assert table.waiting.cancelled()
    assert empty(table)
    assert caplog.records == []


def test_a_loop_that_was_closed(table, unhurried):
    """A bell that rings for a loop which somebody has closed in the middle is heard by nobody."""
    table.values[1] = 0
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(table.wait(1))
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    assert len(table.bells) == 1

    table.set(1, 10)

    waiting._log_destroy_pending = False


def test_an_executor_that_has_ended(table):
    """Where nobody can look any more, the wait ends with that error."""

    async def main() -> None:
        table.lookout._threads._started().shutdown()
        with pytest.raises(RuntimeError, match="shutdown"):
            await table.wait(1)

    asyncio.run(main())


def test_a_busy_loop(table):
    """Whatever keeps the threads of the loop's executor busy, waits end in time."""
    table.values[1] = 3
    done = threading.Event()

    async def main() -> int | None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, done.wait, PATIENCE)
        found = await table.wait(1, timeout=0)
        assert not busy.done()
        done.set()
        return found

    assert asyncio.run(main()) == 3


def test_two_loops_at_once(unhurried):
    """Each event loop looks for itself; a bell rings in all of them."""
    table = Table(threads=2)
    table.values[1] = 0
    both = threading.Barrier(3, timeout=PATIENCE)
    found: list[int | None] = []
    table.after = lambda: len(table.threads) <= 2 and table.values[1] == 0 and both.wait()
    threads = [
        threading.Thread(target=lambda: found.append(asyncio.run(table.wait(1)))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    both.wait()
    table.set(1, 10)
    for thread in threads:
        thread.join(PATIENCE)

    assert found == [10, 10]


def empty(table: Table) -> bool:
    """Whether nobody waits any more, and nothing is there to remember that somebody did."""
    posts = list(table.lookout._posts.values())
    left = [(one._open, one._asked, one._later, one._timer) for one in posts]
    return len(table.bells) == 0 and left == [(0, [], [], None)]
