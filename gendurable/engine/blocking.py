"""Reading through the session of an async step what is asked for without awaiting it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from psycopg import waiting
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

T = TypeVar("T")


def at_once(session: AsyncSession, conn: Connection, read: Callable[[Session], T]) -> T:
    """Return what *read* reads by *conn*, the connection of *session*; the event loop waits.

    Raises:
        RuntimeError: another task of the step is using the connection.
    """
    driver: Any = None if conn.invalidated else conn.connection.driver_connection
    if driver is None:
        return _run(session.run_sync(read))
    if driver.lock.locked():
        raise RuntimeError(
            "another task of this step is using ctx.async_session, through which ctx.children"
            " reads: await that first"
        )
    vars(driver)["wait"] = _waiting_on(driver)
    try:
        return _run(session.run_sync(read))
    finally:
        del vars(driver)["wait"]


def _run(reading: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns that waits for nothing."""
    try:
        reading.send(None)
    except StopIteration as end:
        found: T = end.value
        return found
    raise RuntimeError("a read that was to happen at once waits for the event loop")


def _waiting_on(driver: Any) -> Any:
    """Stand in for how an async connection waits for its server: without the event loop."""

    async def wait(generator: Any, *args: Any, **options: Any) -> Any:
        return waiting.wait(generator, driver.pgconn.socket, *args, **options)

    return wait
