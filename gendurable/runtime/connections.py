"""How many connections a worker needs, and whether the engine's pool has them."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlalchemy.pool import AssertionPool, QueuePool, SingletonThreadPool, StaticPool

from gendurable.errors import ConfigError

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


def enough_threads(engine: Engine) -> int:
    """Return how many threads, at most, are to ask for connections of *engine* at once.

    More than get one: who then waits in vain is told so by the pool, when its patience ends.
    """
    return 2 * (_room(engine)[0] or UNBOUNDED)


def _room(engine: Engine) -> tuple[int | None, str]:
    """How many connections the pool hands out at once (None: any number), and why."""
    pool = engine.pool
    if not isinstance(pool, QueuePool):
        return None, ""
    size = pool.size()
    overflow: int = pool._max_overflow
    if size == 0 or overflow < 0:
        return None, ""
    return size + overflow, f"pool_size={size}, max_overflow={overflow}"
