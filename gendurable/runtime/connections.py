"""How many connections a worker needs, whether the pools have them, and where those lead."""

from __future__ import annotations

from sqlalchemy import URL, Engine
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import AssertionPool, QueuePool, SingletonThreadPool, StaticPool

from gendurable.errors import ConfigError
from gendurable.sessions import place_of

#: What a worker needs beside one for each step: claim, commit, heartbeat, LISTEN.
OWN = 4
#: How many connections at once are likely where the pool sets no bound: a server has 100.
UNBOUNDED = 100


def check_sharing(engine: Engine) -> None:
    """Refuse an engine that hands a connection to one thread while another one works on it.

    Raises:
        ConfigError: its pool is one of those that are made for tests or for SQLite.
    """
    pool = engine.pool
    if isinstance(pool, (AssertionPool, SingletonThreadPool, StaticPool)):
        raise ConfigError(
            f"the engine's {type(pool).__name__} is for one thread, and gendurable has threads of"
            " its own, if only to tell workers of new rows; leave poolclass= out"
        )


def check_pool(engine: Engine, slots: int) -> None:
    """Refuse an engine whose pool would let the steps of a worker starve its own threads.

    Raises:
        ConfigError: the pool has fewer connections than slots + 4.
    """
    room, how = _room(engine)
    need = slots + OWN
    if room is not None and room < need:
        raise ConfigError(
            f"the engine's pool has room for {room} connections ({how}), and this worker needs"
            f" {need}: one for each of its {slots} slots and {OWN} of its own; use"
            f" create_engine(..., pool_size={need}) or fewer slots"
        )


def check_async_pool(engine: AsyncEngine, slots: int) -> None:
    """Refuse an asynchronous engine whose pool would let the async steps of a worker wait in vain.

    Raises:
        ConfigError: the pool has fewer connections than slots.
    """
    room, how = _room(engine)
    if room is not None and room < slots:
        raise ConfigError(
            f"the pool of async_engine has room for {room} connections ({how}), and this worker"
            f" needs {slots}: one for each of its slots, as an async step may use its session; use"
            f" create_async_engine(..., pool_size={slots}) or fewer slots"
        )


def check_place(engine: Engine, async_engine: AsyncEngine) -> None:
    """Refuse an asynchronous engine to another database: no claim would be found there.

    A URL that says nothing, as where a ``creator`` connects, may lead anywhere.

    Raises:
        ConfigError: host, port or database differ.
    """
    theirs = async_engine.sync_engine
    told = _says_where(engine.url) and _says_where(theirs.url)
    if told and place_of(engine) != place_of(theirs):
        raise ConfigError(
            f"async_engine reaches {theirs.url.render_as_string()}, and engine"
            f" {engine.url.render_as_string()}: an async step commits its outcome in its session,"
            " so both must be of the same host, port and database"
        )


def _says_where(url: URL) -> bool:
    return bool(url.host or url.database or url.query)


def enough_threads(engine: Engine) -> int:
    """Return how many threads, at most, are to ask for connections of *engine* at once.

    More than get one: who then waits in vain is told so by the pool, when its patience ends.
    """
    return 2 * (_room(engine)[0] or UNBOUNDED)


def _room(engine: Engine | AsyncEngine) -> tuple[int | None, str]:
    """How many connections the pool hands out at once (None: any number), and why."""
    pool = engine.pool
    if not isinstance(pool, QueuePool):
        return None, ""
    size = pool.size()
    overflow: int = pool._max_overflow
    if size == 0 or overflow < 0:
        return None, ""
    return size + overflow, f"pool_size={size}, max_overflow={overflow}"
