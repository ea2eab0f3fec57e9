"""Binding machines to a database: the one call that everything else begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Never

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from gendurable.durable import Durable
from gendurable.errors import ConfigError
from gendurable.fsm import FSM
from gendurable.registry import Catalogue
from gendurable.retry import Duration
from gendurable.rules import Complaints, build
from gendurable.runtime.connections import check_place, check_sharing
from gendurable.settings import ConcurrencyLimit, RateLimit, Settings
from gendurable.state import MAX_SIZE


def bind(
    engine: Engine,
    *,
    async_engine: AsyncEngine | None = None,
    name: str = "default",
    schema: str = "gendurable",
    session_factory: Callable[..., Any] | None = None,
    rate_limits: Mapping[str, RateLimit] = {},
    concurrency_limits: Mapping[str, ConcurrencyLimit] = {},
    fsms: Iterable[type[FSM]] | None = None,
    lease_ttl: Duration = 30,
    heartbeat_interval: Duration = 10,
    poll_interval: Duration = 1,
    poll_max: Duration = 5,
    drain_timeout: Duration = 5,
    max_size: int = MAX_SIZE,
    listen: bool = True,
    listen_url: str | None = None,
    **unknown: Never,
) -> Durable:
    """Bind machines to the database of *engine*; opens no connection and starts no thread.

    Args:
        engine: the application's engine; its pool is the only one.
        async_engine: the engine for ``ctx.async_session``, to the same database.
        name: tells bindings apart in logs and events.
        schema: the PostgreSQL schema; several may live in one database.
        session_factory: makes the sessions of steps; default: ``Session(engine)``.
        rate_limits: the token buckets, by the name that keys begin with.
        concurrency_limits: how many instances of a key execute at once, likewise.
        fsms: the classes that this binding runs; default: all that are defined.
        lease_ttl: how long a claim is kept without a heartbeat.
        heartbeat_interval: how often leases are extended; at most half of *lease_ttl*.
        poll_interval: how often an idle queue is looked at without news, at first.
        poll_max: how seldom, in the end.
        drain_timeout: how long running steps have to end when a worker stops.
        max_size: how many bytes a state, result or payload may have.
        listen: whether news comes by LISTEN and NOTIFY.
        listen_url: the database, past a pooler that does not let LISTEN through.
        unknown: there are no others.

    Raises:
        ConfigError: an engine is not usable, or settings are not; the message names all of them.
    """
    complaints = Complaints("bind")
    with complaints.noted():
        _check_engines(engine, async_engine)
    given = {
        "name": name,
        "schema": schema,
        "session_factory": session_factory,
        "rate_limits": rate_limits,
        "concurrency_limits": concurrency_limits,
        "lease_ttl": lease_ttl,
        "heartbeat_interval": heartbeat_interval,
        "poll_interval": poll_interval,
        "poll_max": poll_max,
        "drain_timeout": drain_timeout,
        "max_size": max_size,
        "listen": listen,
        "listen_url": listen_url,
        **unknown,
    }
    with complaints.noted():
        settings = build(Settings, "bind", given, Settings.__dataclass_fields__)
    with complaints.noted():
        catalogue = Catalogue(fsms)
    complaints.end()
    return Durable(engine, async_engine, settings, catalogue)


def _check_engines(engine: Engine, async_engine: AsyncEngine | None) -> None:
    """Refuse engines that are of no use, or not of the same database."""
    complaints = Complaints("")
    with complaints.noted():
        _refuse_other("engine", engine)
        check_sharing(engine)
    if async_engine is not None:
        with complaints.noted():
            _refuse_other("async_engine", async_engine)
            if isinstance(engine, Engine):
                check_place(engine, async_engine)
    complaints.end()


def _refuse_other(what: str, engine: object) -> None:
    """Refuse what is no engine of its kind, and one on another driver."""
    dialect: Any = getattr(engine, "dialect", None)
    is_async = what == "async_engine"
    if (
        getattr(dialect, "name", None) != "postgresql"
        or dialect.driver != "psycopg"
        or dialect.is_async is not is_async
    ):
        raise ConfigError(f"{what}={engine!r} must be of create_{what}('postgresql+psycopg://...')")
