"""``durable.aio``: the methods as coroutines, in an asynchronous transaction or one of our own."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest
from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.exc import OperationalError, PendingRollbackError
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_scoped_session,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.pool import NullPool

import gendurable as gd
from gendurable.errors import ConfigError, DuplicateInstance, InvalidInput, NoTarget, UnknownLimit
from gendurable.runtime import lookout
from gendurable.testing import drain, fire_schedules
from tests.acceptance.tickets import Team, Ticket

#: What waits for longer has failed, also where it keeps the event loop from saying so.
PATIENCE = {"options": "-c statement_timeout=10s"}


@pytest.fixture
def async_engine(url):
    """An engine whose connections no event loop leaves behind; none waits for ever."""
    return create_async_engine(url, poolclass=NullPool, connect_args=PATIENCE)


@pytest.fixture
def engine(url):
    """The binding's engine; none of its statements waits for ever either."""
    engine = create_engine(url, pool_size=20, connect_args=PATIENCE)
    yield engine
    engine.dispose()


def a_session(engine):
    return AsyncSession(engine)


def a_scoped_session(engine):
    return async_scoped_session(async_sessionmaker(engine), scopefunc=asyncio.get_running_loop)


def a_connection(engine):
    return engine.connect()


every_kind = pytest.mark.parametrize("open_", [a_session, a_scoped_session, a_connection])


async def opened(caller):
    """Begin what has to be begun before it can be used."""
    return await caller if hasattr(caller, "__await__") else caller


@every_kind
class TestEveryKind:
    def test_commit(self, durable, async_engine, count, open_):
        """Nobody sees the instance before the caller's commit, everybody does after it."""

        async def main():
            caller = await opened(open_(async_engine))
            handle = await durable.aio.insert(Ticket(number=3), session=caller)
            assert count() == 0
            await caller.commit()
            assert (await handle.instance()).state == {"number": 3}
            await caller.close()

        asyncio.run(main())
        assert count() == 1

    def test_rollback(self, durable, async_engine, count, heard, open_):
        """A rollback leaves no trace, and nobody is told."""

        async def main():
            caller = await opened(open_(async_engine))
            await durable.aio.insert(Ticket(), session=caller)
            await caller.rollback()
            await caller.close()

        asyncio.run(main())
        assert count() == 0
        assert heard(0.2) == []

    def test_savepoint(self, durable, async_engine, count, open_):
        """A savepoint that is rolled back takes along what was inserted after it, only that."""

        async def main():
            caller = await opened(open_(async_engine))
            kept = await durable.aio.insert(Ticket(), session=caller)
            savepoint = await caller.begin_nested()
            await durable.aio.insert(Ticket(), session=caller)
            await savepoint.rollback()
            async with caller.begin_nested():
                also_kept = await durable.aio.insert(Ticket(), session=caller)
            await caller.commit()
            await caller.close()
            return kept, also_kept

        kept, also_kept = asyncio.run(main())
        assert count() == 2
        assert durable.instance(kept)
        assert durable.instance(also_kept)

    def test_news_of_a_savepoint(self, durable, async_engine, open_):
        """Workers are told, after the commit, of what a savepoint has kept, and of nothing else."""
        told = asyncio.Queue()

        async def main():
            loop = asyncio.get_running_loop()
            durable.notifier.subscribe(
                lambda news: loop.call_soon_threadsafe(told.put_nowait, news)
            )
            caller = await opened(open_(async_engine))
            savepoint = await caller.begin_nested()
            await durable.aio.insert(Ticket(), session=caller, queue="undone")
            await savepoint.rollback()
            async with caller.begin_nested():
                await durable.aio.insert(Ticket(), session=caller, queue="kept")
            assert told.empty()
            await caller.commit()
            assert await asyncio.wait_for(told.get(), 10) == {"kept"}
            await caller.close()

        asyncio.run(main())

    def test_news(self, durable, async_engine, heard, open_):
        """Workers elsewhere hear of it once it is committed."""

        async def main():
            caller = await opened(open_(async_engine))
            await durable.aio.insert(Ticket(), session=caller)
            assert await asyncio.to_thread(heard, 0.2) == []
            await caller.commit()
            assert await asyncio.to_thread(heard)
            await caller.close()

        asyncio.run(main())

    def test_everything_else(self, durable, async_engine, count, mail, open_):
        """Signals, cancels, children and many at once hang on the caller's commit just so."""
        ticket, other, team = (durable.insert(obj) for obj in (Ticket(), Ticket(), Team()))
        drain(durable)

        async def act(caller):
            assert await durable.aio.signal(ticket, "answer", 1, session=caller)
            assert await durable.aio.cancel(other, "no", session=caller)
            assert await durable.aio.schedule_children(team, [Ticket()], caller) == 1
            handles = await durable.aio.insert_all([Ticket(), Ticket()], session=caller)
            assert [type(handle) for handle in handles] == [gd.AsyncHandle] * 2

        async def main():
            caller = await opened(open_(async_engine))
            await act(caller)
            await caller.rollback()
            assert (count(), mail()) == (4, 0)
            assert durable.instance(other).status == "awaiting_signal"
            await act(caller)
            await caller.commit()
            await caller.close()

        asyncio.run(main())
        assert (count(), mail()) == (7, 1)
        assert durable.instance(other).status == "cancelled"
        assert durable.instance(ticket).status == "runnable"

    def test_errors_leave_the_transaction_usable(self, durable, async_engine, count, open_):
        """A taken key, or nobody to signal, raises as ever; what was done before stays."""
        holder = durable.insert(Ticket(), correlation_key="k")

        async def main():
            caller = await opened(open_(async_engine))
            await durable.aio.insert(Ticket(), session=caller)
            with pytest.raises(DuplicateInstance) as caught:
                await durable.aio.insert(Ticket(), session=caller, correlation_key="k")
            found = await durable.aio.insert(
                Ticket(), session=caller, correlation_key="k", if_exists="return"
            )
            with pytest.raises(NoTarget):
                await durable.aio.signal("nobody", "answer", session=caller)
            await caller.commit()
            await caller.close()
            return caught.value.id, found.id, found.created

        assert asyncio.run(main()) == (holder.id, holder.id, False)
        assert count() == 2

    def test_the_loop_goes_on(self, durable, async_engine, engine, blocked, open_):
        """Who waits for a row that somebody has locked keeps nobody else from going on."""
        ticket = durable.insert(Ticket())

        async def main():
            caller = await opened(open_(async_engine))
            conn = caller if open_ is a_connection else await caller.connection()
            pid = await conn.scalar(text("SELECT pg_backend_pid()"))
            with engine.connect() as other:
                durable.cancel(ticket, "first", session=other)
                cancelling = asyncio.create_task(
                    durable.aio.cancel(ticket, "second", session=caller)
                )
                await asyncio.to_thread(blocked, pid)
                other.commit()
            ended = await cancelling
            await caller.commit()
            await caller.close()
            return ended

        assert asyncio.run(main()) is False
        assert durable.instance(ticket).last_error == "first"

    def test_cancelled(self, durable, async_engine, engine, blocked, count, open_):
        """Who is cancelled in the middle of a call rolls his transaction back, and leaves no trace.

        The statement that was under way ends, too: nobody waits for its locks.
        """
        ticket = durable.insert(Ticket())

        async def main():
            caller = await opened(open_(async_engine))
            await durable.aio.insert(Ticket(), session=caller)
            conn = caller if open_ is a_connection else await caller.connection()
            pid = await conn.scalar(text("SELECT pg_backend_pid()"))
            with engine.connect() as other:
                durable.cancel(ticket, "first", session=other)
                cancelling = asyncio.create_task(
                    durable.aio.cancel(ticket, "second", session=caller)
                )
                await asyncio.to_thread(blocked, pid)
                cancelling.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await cancelling
                await caller.rollback()
                await caller.close()

        asyncio.run(main())
        assert count() == 1
        assert durable.instance(ticket).status == "runnable"

    def test_cancelled_and_committed(self, durable, async_engine, engine, blocked, count, open_):
        """A transaction in which a call was cancelled refuses to commit: half of it may be lost."""

        async def main():
            caller = await opened(open_(async_engine))
            await durable.aio.insert(Ticket(), session=caller)
            conn = caller if open_ is a_connection else await caller.connection()
            pid = await conn.scalar(text("SELECT pg_backend_pid()"))
            with engine.connect() as other:
                durable.insert(Ticket(), session=other, correlation_key="k")
                inserting = asyncio.create_task(
                    durable.aio.insert(Ticket(), session=caller, correlation_key="k")
                )
                await asyncio.to_thread(blocked, pid)
                inserting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await inserting
                with pytest.raises(PendingRollbackError):
                    await caller.commit()
                await caller.rollback()
                await durable.aio.insert(Ticket(), session=caller)
                await caller.commit()
                await caller.close()

        asyncio.run(main())
        assert count() == 1


class TestInstance:
    def test_belongs_to_the_session(self, durable, async_engine):
        """A row that a session has loaded is its own: it is there once, and is refreshed by it."""
        ticket = durable.insert(Ticket())

        async def main():
            async with AsyncSession(async_engine) as session:
                row = await durable.aio.instance(ticket, session=session)
                assert row in session
                assert await session.get(gd.Instance, ticket.id) is row
                assert await durable.aio.instance(4711, session=session) is None

        asyncio.run(main())

    def test_detached(self, durable, async_engine):
        """Without a session, or on a connection, it is detached, and loaded."""
        ticket = durable.insert(Ticket(number=7))

        async def main():
            async with async_engine.connect() as conn:
                one = await durable.aio.instance(ticket, session=conn)
            two = await durable.aio.instance(ticket)
            return one.state, two.state

        assert asyncio.run(main()) == ({"number": 7},) * 2


#: Each call by itself, with or without a session.
CALLS = {
    "explain": lambda aio, things, **s: aio.explain(things[0], **s),
    "instance": lambda aio, things, **s: aio.instance(things[0], **s),
    "insert": lambda aio, things, **s: aio.insert(Ticket(), **s),
    "insert_all": lambda aio, things, **s: aio.insert_all(iter([Ticket()]), **s),
    "signal": lambda aio, things, **s: aio.signal(things[0], "answer", **s),
    "cancel": lambda aio, things, **s: aio.cancel(things[0], "no", cascade=True, **s),
    "cancel where": lambda aio, things, **s: aio.cancel(
        where=gd.Instance.id == int(things[0]), reason="no", by="ada", **s
    ),
    "schedule_children": lambda aio, things, **s: aio.schedule_children(things[1], [Ticket()], **s),
    "retry": lambda aio, things, **s: aio.retry(things[2], by="ada", reason="again", **s),
    "retry where": lambda aio, things, **s: aio.retry(where=gd.Instance.id == int(things[2]), **s),
    "reschedule": lambda aio, things, **s: aio.reschedule(things[0], priority=7, **s),
    "rewind": lambda aio, things, **s: aio.rewind(things[0], to=Ticket.start, **s),
    "rewind where": lambda aio, things, **s: aio.rewind(
        where=gd.Instance.id == int(things[0]), to="start", **s
    ),
    "patch_state": lambda aio, things, **s: aio.patch_state(things[0], {"number": 7}, **s),
    "pause": lambda aio, things, **s: aio.pause(things[0], **s),
    "pause a queue": lambda aio, things, **s: aio.pause(queue="default", reason="why", **s),
    "resume": lambda aio, things, **s: aio.resume(things[3], **s),
    "set_limit": lambda aio, things, **s: aio.set_limit("mail", gd.ConcurrencyLimit(2), **s),
    "limits": lambda aio, things, **s: aio.limits(**s),
    "trigger": lambda aio, things, **s: aio.trigger("yearly", **s),
    "pause_schedule": lambda aio, things, **s: aio.pause_schedule("yearly", **s),
    "resume_schedule": lambda aio, things, **s: aio.resume_schedule("held", **s),
    "edit_schedule": lambda aio, things, **s: aio.edit_schedule("yearly", cron="0 0 2 1 *", **s),
    "schedules": lambda aio, things, **s: aio.schedules(**s),
    "unschedule": lambda aio, things, **s: aio.unschedule("yearly", **s),
}
#: Those that change nothing, and what they answer with.
LOOKS = {
    "explain": lambda answer: answer.reason == gd.Reason.AWAITING_SIGNAL,
    "instance": lambda answer: answer.status == "awaiting_signal",
    "limits": lambda answer: [one.name for one in answer] == ["stripe"],
    "schedules": lambda answer: [one.name for one in answer] == ["held", "yearly"],
}
#: Where any of the others leaves a trace.
TABLES = ("instances", "signals", "transitions", "pauses", "limits", "schedules")


class TestEveryMethod:
    @pytest.fixture
    def things(self, durable):
        """What waits, a team, what was cancelled, and what is held; a limit and schedules."""
        made = [durable.insert(obj) for obj in (Ticket(), Team(), Ticket(), Ticket())]
        durable.cancel(made[2], "for now")
        durable.pause(made[3])
        durable.set_limit("stripe", gd.RateLimit(1, per=1))
        for name in ("yearly", "held"):
            durable.schedule(name, Ticket(), cron="0 0 1 1 *")
        fire_schedules(durable)
        durable.pause_schedule("held")
        drain(durable)
        return made

    def state(self, durable):
        with durable.engine.begin() as conn:
            return [
                conn.execute(text(f"SELECT * FROM gendurable.{table} ORDER BY 1")).all()
                for table in TABLES
            ]

    @pytest.mark.parametrize("call", CALLS)
    def test_in_a_session(self, durable, async_engine, things, call):
        """A call takes effect with the commit of its session, and not before."""
        before = self.state(durable)

        async def main():
            async with AsyncSession(async_engine) as session:
                answer = await CALLS[call](durable.aio, things, session=session)
                assert call not in LOOKS or LOOKS[call](answer)
                assert self.state(durable) == before
                await session.commit()

        asyncio.run(main())
        assert (self.state(durable) == before) is (call in LOOKS)

    @pytest.mark.parametrize("call", CALLS)
    def test_without(self, durable, things, call):
        """Without a session it has taken effect when the coroutine returns."""
        before = self.state(durable)

        answer = asyncio.run(CALLS[call](durable.aio, things))

        assert call not in LOOKS or LOOKS[call](answer)
        assert (self.state(durable) == before) is (call in LOOKS)

    def test_care(self, durable, things):
        """What looks after all rows runs in a thread, and tells of its progress on the loop."""
        seen = []

        async def main():
            loop = asyncio.get_running_loop()

            def progress(done, total):
                seen.append((asyncio.get_running_loop() is loop, total))

            await durable.aio.create_schema()
            checked = await durable.aio.check(progress)
            upgraded = await durable.aio.upgrade_state(progress)
            return checked, upgraded, await durable.aio.doctor(), await durable.aio.stats()

        checked, upgraded, verdicts, stats = asyncio.run(main())
        assert checked.ok
        assert upgraded == durable.upgrade_state()
        assert {type(one) for one in verdicts} == {type(one) for one in durable.doctor()}
        assert type(stats) is type(durable.stats())
        assert {on_the_loop for on_the_loop, _ in seen} == {True}

    def test_nowait(self, durable, count):
        """What need not be waited for is inserted soon, or at once when flushed."""

        async def main():
            await durable.aio.insert_nowait(Ticket(), priority=3)
            await durable.aio.flush()

        asyncio.run(main())
        assert count() == 1


class TestWithoutASession:
    def test_handle(self, durable):
        """Its own transaction is committed when it returns, with a handle to go on with."""

        async def main():
            handle = await durable.aio.insert(Ticket(), correlation_key="k")
            assert (int(handle), range(handle.id + 1)[handle], handle.created) == (
                handle.id,
                handle.id,
                True,
            )
            assert repr(handle) == f"AsyncHandle({handle.id}, created=True)"
            await asyncio.to_thread(drain, durable)
            assert (await handle.wait()).status == gd.Status.AWAITING_SIGNAL
            assert await handle.signal("answer", 1, dedup_key="d")
            assert not await handle.signal("answer", 1, dedup_key="d")
            await asyncio.to_thread(drain, durable)
            assert (await handle.wait(until="terminal")).result == [1]
            assert not await handle.cancel("too late", by="ada")
            assert (await handle.instance()).status == "done"
            return handle

        handle = asyncio.run(main())
        # The methods of the binding take either kind.
        assert durable.wait(handle).result == [1]
        assert asyncio.run(durable.aio.wait(durable.insert(Team()), 0)).status == "runnable"

    def test_errors(self, durable):
        """What a method refuses, its coroutine does."""
        durable.insert(Ticket(), correlation_key="k")

        async def main():
            with pytest.raises(DuplicateInstance):
                await durable.aio.insert(Ticket(), correlation_key="k")
            with pytest.raises(InvalidInput, match="weight=0"):
                await durable.aio.insert(Ticket(), weight=0)
            with pytest.raises(UnknownLimit):
                await durable.aio.insert_nowait(Ticket(), rate_limit="nobody")
            with pytest.raises(NoTarget):
                await durable.aio.cancel(4711, "no")
            with pytest.raises(InvalidInput, match="until="):
                await durable.aio.wait("k", until="later")
            with pytest.raises(InvalidInput, match="timeout="):
                await durable.aio.wait("k", timeout=-1)
            for target in (4711, "nobody"):
                with pytest.raises(NoTarget, match=str(target)):
                    await durable.aio.wait(target)

        asyncio.run(main())

    def test_a_deadlock_is_repeated(self, durable, engine):
        """In a transaction of our own a deadlock is nobody's business, as with the methods."""
        ticket = durable.insert(Ticket())
        tries = []

        def fail_once(conn, cursor, statement, parameters, context, executemany):
            tries.append(statement)
            if len(tries) == 1:
                cursor.execute("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$")

        event.listen(engine, "before_cursor_execute", fail_once)
        assert asyncio.run(durable.aio.cancel(ticket, "no"))
        assert len(tries) > 1

    def test_the_loop_goes_on(self, durable, engine, count):
        """Who waits in a thread for a locked row keeps nobody else from going on."""
        ticket = durable.insert(Ticket())

        async def main():
            with engine.connect() as other:
                durable.cancel(ticket, "first", session=other)
                cancelling = asyncio.create_task(durable.aio.cancel(ticket, "second"))
                await asyncio.sleep(0)  # now it has begun
                await durable.aio.insert(Ticket())
                assert not cancelling.done()
                other.commit()
            return await cancelling

        assert asyncio.run(main()) is False
        assert count() == 2

    def test_many_wait_for_one(self, durable, engine, async_engine, count):
        """However many calls wait for a lock, its holder goes on, and lets go of it."""
        ticket = durable.insert(Ticket())

        async def main():
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
            async with AsyncSession(async_engine) as session:
                await durable.aio.cancel(ticket, "first", session=session)
                others = [
                    asyncio.create_task(durable.aio.cancel(ticket, "second")) for _ in range(3)
                ]
                await asyncio.sleep(0)  # now they have begun
                await durable.aio.insert(Ticket())
                assert (await durable.aio.wait(ticket, timeout=0)).status == "runnable"
                assert not any(other.done() for other in others)
                await session.rollback()
            return await asyncio.gather(*others)

        assert sorted(asyncio.run(main())) == [False, False, True]
        assert count() == 2

    def test_cancelled(self, durable, engine, eventually):
        """A coroutine that is cancelled ends at once; its transaction goes on, and commits."""
        ticket = durable.insert(Ticket())

        async def main():
            with engine.connect() as other:
                durable.cancel(ticket, "first", session=other)
                pausing = asyncio.create_task(durable.aio.cancel(ticket, "second"))
                inserting = asyncio.create_task(durable.aio.insert(Ticket(), correlation_key="k"))
                await inserting
                pausing.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await pausing
                other.rollback()

        asyncio.run(main())
        eventually(lambda: durable.instance(ticket).status == "cancelled")
        assert durable.instance(ticket).last_error == "second"

    def test_another_event_loop(self, durable, engine, async_engine, count):
        """A binding belongs to no event loop: it works in the next as in the first."""

        async def main():
            async with AsyncSession(async_engine) as session, session.begin():
                await durable.aio.insert(Ticket(), session=session)
            handle = await durable.aio.insert(Ticket())
            return await handle.wait(timeout=0)

        for _ in range(3):
            assert asyncio.run(main()).status == "runnable"
        assert count() == 6


class Apply(gd.FSM, name="aio.Apply"):
    """An asynchronous step that does to others what its test says."""

    @gd.step
    async def start(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Done(await SCRIPT[0](ctx))


SCRIPT = []


class TestFromAStep:
    @pytest.fixture
    def durable(self, engine, async_engine):
        durable = gd.bind(engine, async_engine=async_engine)
        yield durable
        durable.notifier.close()

    @pytest.fixture
    def run(self, durable):
        """Run one step that does *act*; return the row."""

        def run(act):
            SCRIPT[:] = [act]
            handle = durable.insert(Apply(), correlation_key="me")
            drain(durable, queue="default", with_scheduled=False)
            return durable.instance(handle)

        return run

    def test_commits_with_the_outcome(self, run, count):
        """What it inserts in its session is there with its outcome."""

        async def act(ctx):
            handle = await ctx.durable.aio.insert(Ticket(), session=ctx.async_session, delay=60)
            assert count() == 1
            return handle.id

        row = run(act)
        assert row.status == "done"
        assert count() == 2

    def test_rolls_back_with_it(self, run, count):
        """What it inserts in its session is gone with its error."""

        async def act(ctx):
            await ctx.durable.aio.insert(Ticket(), session=ctx.async_session)
            raise ValueError("no")

        assert run(act).last_error == "ValueError: no"
        assert count() == 1

    def test_beside_it(self, run, count):
        """Without the session it is a transaction of its own."""

        async def act(ctx):
            await ctx.durable.aio.insert(Ticket(), delay=60)
            raise ValueError("no")

        run(act)
        assert count() == 2

    @pytest.mark.parametrize("me", [lambda ctx: ctx.id, lambda ctx: "me"], ids=["id", "key"])
    @pytest.mark.parametrize("kind", ["session", "connection", "none"])
    def test_not_on_itself(self, run, me, kind):
        """Only an outcome moves the instance whose step is running: in any way that is refused."""

        async def act(ctx):
            session = None
            if kind == "session":
                session = ctx.async_session
            if kind == "connection":
                session = await ctx.async_session.connection()
            with pytest.raises(InvalidInput, match="own instance"):
                await ctx.durable.aio.cancel(me(ctx), "no", session=session)
            return "went on"

        assert run(act).result == "went on"

    def test_a_signal_to_itself(self, run, mail):
        """It goes by the session that is open; beside that it would wait for ever."""

        async def act(ctx):
            aio = ctx.durable.aio
            await aio.signal(ctx.id, "before")
            assert await aio.signal(ctx.id, "in it", session=ctx.async_session)
            with pytest.raises(InvalidInput, match=r"session=ctx\.async_session"):
                await aio.signal(ctx.id, "beside it")
            return mail()

        assert run(act).result == 1

    def test_on_a_workers_loop(self, durable):
        """In a worker it is the same: it inserts, waits for what it has inserted, and ends."""

        async def act(ctx):
            handle = await ctx.durable.aio.insert(Ticket())
            settled = await handle.wait(timeout=10)
            await handle.signal("answer", 7)
            settled = await handle.wait(timeout=10, until="terminal")
            return settled.result

        SCRIPT[:] = [act]
        with durable.worker(queues={"default": 2}):
            assert durable.insert(Apply()).wait(timeout=10).result == [7]


class TestWait:
    def test_told_in_this_process(self, durable, monkeypatch):
        """A worker of this process that commits an outcome wakes who waits for it."""
        monkeypatch.setattr(lookout, "FIRST", 3600.0)  # nobody looks again unless told

        async def main():
            handle = await durable.aio.insert(Ticket())
            first = asyncio.create_task(handle.wait(timeout=10))
            done = asyncio.create_task(handle.wait(until="terminal", timeout=10))
            with durable.worker(queues={"default": 1}):
                assert (await first).status == "awaiting_signal"
                assert not done.done()
                await handle.signal("answer", "yes")
                assert (await done).result == ["yes"]
            assert len(durable.notifier.bells) == 0

        began = monotonic()
        asyncio.run(main())
        assert monotonic() - began < 10

    def test_a_thousand_at_once(self, durable):
        """A thousand waits need few threads, and find out what another process has done."""

        def threads():
            return {one for one in threading.enumerate() if "-aio" in one.name}

        async def main():
            before = threads()
            handles = await durable.aio.insert_all([Ticket() for _ in range(1000)])
            waits = [asyncio.create_task(handle.wait(timeout=30)) for handle in handles]
            await durable.aio.cancel(where=gd.Instance.queue == "default", reason="no")
            assert len(threads() - before) < 10
            return {one.status for one in await asyncio.gather(*waits)}

        assert asyncio.run(main()) == {"cancelled"}
        assert len(durable.notifier.bells) == 0

    def test_a_timeout(self, durable):
        """A timeout is no failure: it returns how things stand."""
        handle = durable.insert(Ticket(), correlation_key="k")

        assert asyncio.run(durable.aio.wait("k", timeout=0.01)).status == "runnable"
        assert asyncio.run(durable.aio.wait(handle, timeout=0)).step == "start"

    def test_cancelled(self, durable):
        """Who stops waiting leaves nothing subscribed."""

        async def main():
            handle = await durable.aio.insert(Ticket())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(handle.wait(), 0.05)
            assert len(durable.notifier.bells) == 0

        asyncio.run(main())

    def test_deleted_meanwhile(self, durable):
        """An instance that is deleted while somebody waits for it is a missing target."""

        async def main():
            handle = await durable.aio.insert(Ticket())
            waiting = asyncio.create_task(handle.wait(timeout=10))
            await asyncio.sleep(0)
            with durable.engine.begin() as conn:
                conn.execute(text("DELETE FROM gendurable.instances"))
            with pytest.raises(NoTarget):
                await waiting

        asyncio.run(main())


class TestRefused:
    def test_one_object_is_no_list(self, durable):
        """As with the method: to iterate over it would give its fields."""
        for call in (
            lambda: durable.aio.insert_all(Ticket()),
            lambda: durable.aio.schedule_children(1, Ticket()),
        ):
            with pytest.raises(gd.InvalidInput, match="is a single object; give a list"):
                asyncio.run(call())

    @pytest.mark.parametrize(
        "open_",
        [Session, lambda engine: scoped_session(sessionmaker(engine)), lambda e: e.connect()],
        ids=["Session", "scoped_session", "Connection"],
    )
    def test_a_session_that_is_not_asynchronous(self, durable, engine, open_):
        """It is told which method takes it."""
        caller = open_(engine)
        with pytest.raises(InvalidInput, match=r"must be an AsyncSession.*durable\.insert$"):
            asyncio.run(durable.aio.insert(Ticket(), session=caller))
        with pytest.raises(InvalidInput, match=r"durable\.cancel$"):
            asyncio.run(durable.aio.cancel(1, "no", session=caller))
        caller.close()

    @every_kind
    def test_an_asynchronous_session_for_a_method(self, durable, async_engine, open_):
        """It is told where the coroutines are."""
        caller = open_(async_engine)
        for call in (durable.explain, durable.instance, durable.signal):
            arguments = ("answer",) if call == durable.signal else ()
            with pytest.raises(InvalidInput, match=r"asynchronous: durable\.aio"):
                call(1, *arguments, session=caller)
        with pytest.raises(InvalidInput, match=r"asynchronous: durable\.aio"):
            durable.insert(Ticket(), session=caller)

    def test_autocommit(self, durable, url):
        """A session in AUTOCOMMIT mode has no transaction to take part in."""
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)

        async def main():
            async with AsyncSession(engine) as session:
                with pytest.raises(InvalidInput, match="AUTOCOMMIT"):
                    await durable.aio.insert(Ticket(), session=session)

        asyncio.run(main())

    def test_another_database(self, durable, url):
        """A session that reaches another database is refused."""
        elsewhere = create_async_engine(make_url(url).set(database="postgres"), poolclass=NullPool)

        async def main():
            async with AsyncSession(elsewhere) as session:
                with pytest.raises(InvalidInput, match="could not commit"):
                    await durable.aio.insert(Ticket(), session=session)
                with pytest.raises(InvalidInput, match="could not commit"):
                    await durable.aio.instance(1, session=session)

        asyncio.run(main())

    def test_another_driver(self, durable, url):
        """A session on a driver that speaks otherwise is refused before it is sent anything."""
        engine = create_async_engine(url, poolclass=NullPool)
        engine.dialect.driver = "asyncpg"

        async def main():
            async with AsyncSession(engine) as session:
                with pytest.raises(InvalidInput, match="'asyncpg'.*psycopg"):
                    await durable.aio.insert(Ticket(), session=session)
                with pytest.raises(InvalidInput, match="'asyncpg'.*psycopg"):
                    await durable.aio.instance(1, session=session)
                assert await session.scalar(text("SELECT 1")) == 1

        asyncio.run(main())

    def test_engines_in_each_others_place(self, engine, async_engine):
        """``bind`` says which engine is to be of which kind."""
        with pytest.raises(ConfigError, match="^bind: engine=.*create_engine"):
            gd.bind(async_engine)
        with pytest.raises(ConfigError, match="^bind: async_engine=.*create_async_engine"):
            gd.bind(engine, async_engine=engine)

    def test_what_the_database_says_is_the_callers(self, durable, async_engine):
        """In a transaction of the caller's a deadlock is his, as only he can repeat it."""

        async def main():
            async with AsyncSession(async_engine) as session:
                failing = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$"
                with pytest.raises(OperationalError):
                    await session.execute(text(failing))
                with pytest.raises(Exception, match="aborted"):
                    await durable.aio.insert(Ticket(), session=session)

        asyncio.run(main())
