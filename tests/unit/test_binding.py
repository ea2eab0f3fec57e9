"""``bind`` and ``worker``: what their signatures promise, and all that is wrong in one message."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool, StaticPool

import gendurable as gd
from gendurable.settings import Settings, WorkerSettings

URL = "postgresql+psycopg://db/orders"


def complaints(call: Any, *args: Any, **settings: Any) -> list[str]:
    """Return the lines of the ConfigError that a call ends in."""
    with pytest.raises(gd.ConfigError) as raised:
        call(*args, **settings)
    return str(raised.value).splitlines()


class Awaiting(gd.Job, name="binding.Awaiting"):
    """A job that runs on the event loop."""

    async def perform(self, ctx: gd.Context) -> None:
        pass


class Plain(gd.Job, name="binding.Plain"):
    """A job that does not."""

    def perform(self, ctx: gd.Context) -> None:
        pass


class TestSignature:
    @pytest.mark.parametrize(
        ("function", "kind"), [(gd.bind, Settings), (gd.Durable.worker, WorkerSettings)]
    )
    def test_names_every_setting(self, function, kind):
        """Each is a keyword with its true default, whatever ``help`` or an editor shows."""
        shown = {
            name: parameter.default
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY
        }

        assert kind(**{name: shown[name] for name in kind.__dataclass_fields__}) == kind()
        assert shown.keys() - kind.__dataclass_fields__.keys() <= {"async_engine", "fsms"}

    def test_refuses_what_is_misspelt(self):
        """The complaint says what may have been meant."""
        engine = create_engine(URL)

        assert complaints(gd.bind, engine, lease_tll=3) == [
            "bind: there is no setting lease_tll; did you mean lease_ttl?"
        ]
        (line,) = complaints(gd.bind(engine).worker, zebra=3)
        assert line.startswith("worker: there is no setting zebra; there are queues, reaper, gc")


class TestComplaints:
    def test_of_bind_are_all_in_one_message(self):
        """Engines, settings, what must fit together and classes."""
        lines = complaints(
            gd.bind,
            create_engine(URL, poolclass=StaticPool),
            async_engine=create_engine(URL),
            fsms=gd.FSM,
            name="",
            heartbeat_interval=20,
            zebra=1,
        )

        starts = ["the engine's StaticPool", "async_engine=", "there is no setting zebra"]
        starts += ["name=", "heartbeat_interval=20", "fsms="]
        assert len(lines) == len(starts)
        for line, start in zip(lines, starts, strict=True):
            assert line.startswith(f"bind: {start}")

    def test_of_worker_are_all_in_one_message(self):
        """Settings and both pools."""
        durable = gd.bind(
            create_engine(URL), async_engine=create_async_engine(URL), fsms=[Awaiting]
        )

        lines = complaints(durable.worker, queues={"default": 20}, health_port=-1)

        assert len(lines) == 3
        assert lines[0].startswith("worker: health_port=-1")
        assert "15 connections" in lines[1]
        assert "needs 24" in lines[1]
        assert "15 connections" in lines[2]
        assert "needs 20" in lines[2]


class TestAsyncEngine:
    @pytest.mark.parametrize(
        "url",
        [
            "postgresql+psycopg://db/others",
            "postgresql+psycopg://other/orders",
            "postgresql+psycopg://db:5433/orders",
            "postgresql+psycopg:///orders",
        ],
    )
    def test_reaches_the_same_database(self, url):
        """Elsewhere no async step would find its claim."""
        (line,) = complaints(gd.bind, create_engine(URL), async_engine=create_async_engine(url))

        assert line.startswith(f"bind: async_engine reaches {url}, and engine {URL}")

    @pytest.mark.parametrize(
        ("url", "same"),
        [
            (URL, "postgresql+psycopg://me:secret@db:5432/orders"),
            (URL, "postgresql+psycopg://"),
            ("postgresql+psycopg:///orders", "postgresql+psycopg://localhost/orders"),
            (
                "postgresql+psycopg:///orders?host=/run",
                "postgresql+psycopg://:5432/orders?host=/run",
            ),
        ],
    )
    def test_may_be_written_otherwise(self, url, same):
        """Users, default ports and the names of this host do not matter; nor what a URL omits."""
        gd.bind(create_engine(url), async_engine=create_async_engine(same))

    @pytest.mark.parametrize(
        "options", [{"poolclass": NullPool}, {"max_overflow": -1}, {"pool_size": 20}]
    )
    def test_has_room_for_every_slot(self, options):
        """A pool without a bound is large enough; the worker's own threads use the other."""
        engine = create_engine(URL, pool_size=24)
        other = create_async_engine(URL, **options)
        durable = gd.bind(engine, async_engine=other, fsms=[Awaiting])

        durable.worker(queues={"default": 20})

    def test_is_not_counted_where_no_step_is_async(self):
        """A web process may have one of its own for what it inserts."""
        engine = create_engine(URL, pool_size=24)
        durable = gd.bind(engine, async_engine=create_async_engine(URL), fsms=[Plain])

        durable.worker(queues={"default": 20})
