"""The session of an async step: the same transaction from first touch to outcome."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

import gendurable as gd
from gendurable.errors import LeaseLost
from gendurable.testing import drain
from tests.engine.script import Asynchronous, Note, Scripted, notes


class TestAsync:
    @pytest.fixture
    def durable(self, engine, url):
        """A binding that has both engines."""
        return gd.bind(
            engine, async_engine=create_async_engine(url, isolation_level="SERIALIZABLE")
        )

    def test_commits_with_the_outcome(self, durable, engine, script, row):
        """What an async step writes is there once its outcome is, at READ COMMITTED."""

        async def start(obj, ctx):
            session = ctx.async_session
            session.add(Note(text="a"))
            level = await session.scalar(text("SHOW transaction_isolation"))
            await session.rollback()
            session.add(Note(text="b"))
            async with session.begin_nested():
                session.add(Note(text="c"))
            return gd.Done([level, await session.scalar(text("SHOW transaction_isolation"))])

        script["start"] = start
        id = durable.insert(Asynchronous())

        assert drain(durable) == {"done": 1}
        assert notes(engine) == ["b", "c"]
        assert row(id).result == ["read committed"] * 2

    def test_commit_raises(self, durable, engine, script, row):
        """``commit`` raises here, too."""

        async def start(obj, ctx):
            ctx.async_session.add(Note(text="a"))
            await ctx.async_session.commit()

        script["start"] = start
        id = durable.insert(Asynchronous())
        drain(durable)

        assert notes(engine) == []
        assert row(id).last_error.startswith("RuntimeError: the session of a step")

    def test_closing_leaves_it_open(self, durable, engine, script):
        """``async with ctx.async_session:`` keeps what was written for the outcome, too."""

        async def start(obj, ctx):
            async with ctx.async_session as session:
                session.add(Note(text="a"))
            await ctx.async_session.close()
            return gd.Done()

        script["start"] = start
        durable.insert(Asynchronous())
        drain(durable)

        assert notes(engine) == ["a"]

    def test_wrong_kind(self, durable, script, row):
        """An async step has no sync session; the error says which one it has."""

        async def start(obj, ctx):
            return ctx.session

        script["start"] = start
        id = durable.insert(Asynchronous())
        drain(durable)

        assert row(id).last_error.startswith("RuntimeError: an async step has ctx.async_session")

    def test_without_an_async_engine(self, engine, script, row):
        """A binding without an async engine says what is missing."""

        async def start(obj, ctx):
            return ctx.async_session

        script["start"] = start
        durable = gd.bind(engine)
        id = durable.insert(Asynchronous())
        drain(durable)

        assert "async_engine" in row(id).last_error

    def test_errors(self, durable, engine, script, row):
        """A deferred constraint is an error of the step; its rows are gone."""

        async def start(obj, ctx):
            ctx.async_session.add_all([Note(text="a"), Note(text="a")])
            return gd.Done()

        script["start"] = start
        id = durable.insert(Asynchronous())

        assert drain(durable) == {"stop": 1}
        assert notes(engine) == []
        assert "IntegrityError" in row(id).last_error

    def test_lease_lost(self, durable, engine, script):
        """``LeaseLost`` ends it as stale."""

        async def start(obj, ctx):
            ctx.async_session.add(Note(text="a"))
            await ctx.async_session.flush()
            raise LeaseLost("gone")

        script["start"] = start
        durable.insert(Asynchronous())

        assert drain(durable) == {"stale": 1}
        assert notes(engine) == []

    @pytest.mark.parametrize("fault", ["deadlock", "termination"])
    def test_database_faults(self, durable, engine, script, fault):
        """After a deadlock, or when its connection is lost, it runs again on the same visit."""
        seen = []

        async def start(obj, ctx):
            session = ctx.async_session
            session.add(Note(text="a"))
            await session.flush()
            seen.append((ctx.attempt, ctx.idempotency_key))
            if len(seen) == 1:
                if fault == "deadlock":
                    raising = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$"
                    await session.execute(text(raising))
                pid = await session.scalar(text("SELECT pg_backend_pid()"))
                with engine.begin() as conn:
                    conn.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
                await session.scalar(text("SELECT 1"))
            return gd.Done()

        script["start"] = start
        durable.insert(Asynchronous())

        assert drain(durable) == {"done": 1}
        assert len(seen) == 2
        assert len(set(seen)) == 1
        assert notes(engine) == ["a"]

    def test_children_are_read_through_the_open_session(self, durable, script):
        """They are those that it sees: committed ones before it has begun, and its own writes."""

        async def start(obj, ctx):
            session = ctx.async_session
            seen = [ctx.children.count("runnable")]
            await session.execute(text("UPDATE gendurable.instances SET last_error = 'seen'"))
            seen += [child.last_error for child in ctx.children.stream()]
            await session.run_sync(lambda _: seen.extend(one.id for one in ctx.children.stream()))
            await session.rollback()
            seen += [child.last_error for child in ctx.children.stream()]
            return gd.Done([*seen, await session.scalar(text("SELECT 'in use'"))])

        script["start"] = start
        id = int(durable.insert(Asynchronous()))
        durable.schedule_children(id, [gd.Spawn(Scripted(), delay=1000)])
        drain(durable, with_scheduled=False)

        assert durable.wait(id, 0).result == [1, "seen", id + 1, None, "in use"]

    def test_children_in_a_failed_transaction(self, durable, script, row):
        """They cannot be read there, nor is the transaction fit for an outcome."""

        async def start(obj, ctx):
            with suppress(DBAPIError):
                await ctx.async_session.execute(text("SELECT 1 / 0"))
            return gd.Done(len(ctx.children))

        script["start"] = start
        id = durable.insert(Asynchronous())

        assert drain(durable) == {"stop": 1}
        assert "current transaction is aborted" in row(id).last_error

    def test_children_while_the_session_is_in_use(self, durable, engine, script, row):
        """Another task of the step has the connection: an error, not a wait without end."""
        lock = text("SELECT pg_advisory_xact_lock(4711)")

        async def start(obj, ctx):
            session = ctx.async_session
            raw = await (await session.connection()).get_raw_connection()
            with engine.connect() as other:
                other.execute(lock)
                busy = asyncio.create_task(session.execute(lock))
                while not raw.driver_connection.lock.locked():
                    await asyncio.sleep(0)
                with pytest.raises(RuntimeError, match="another task of this step"):
                    len(ctx.children)
            await busy
            return gd.Done(len(ctx.children))

        script["start"] = start
        id = durable.insert(Asynchronous())
        drain(durable)

        assert (row(id).status, row(id).result) == ("done", 0)

    def test_inserts_in_its_session(self, durable, engine, script):
        """The sync session beneath takes inserts, which commit with the outcome."""

        async def start(obj, ctx):
            def insert(session):
                durable.insert(Scripted(), session=session, delay=1000)

            await ctx.async_session.run_sync(insert)
            return gd.Done()

        script["start"] = start
        durable.insert(Asynchronous())
        drain(durable, with_scheduled=False)

        with engine.begin() as conn:
            assert conn.scalar(text("SELECT count(*) FROM gendurable.instances")) == 2
