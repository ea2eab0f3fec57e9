"""How a coroutine calls a method of a binding: in the caller's transaction, or in a thread."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session

from gendurable.callers import AsyncCaller
from gendurable.errors import InvalidInput
from gendurable.handle import AsyncHandle, Handle
from gendurable.runtime.connections import enough_threads
from gendurable.runtime.threads import Threads

if TYPE_CHECKING:
    from gendurable.durable import Durable

P = ParamSpec("P")
T = TypeVar("T")


class Calling:
    """Coroutines that call the methods of a binding."""

    def __init__(self, durable: Durable) -> None:
        self._durable = durable
        self._threads = threads_for(durable)

    async def _call(
        self, method: Callable[P, T], session: AsyncCaller, /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call *method* in the transaction of *session*; without one in a thread, as it is.

        The thread knows which step is running here, and what else there is of context variables.

        Raises:
            InvalidInput: the session is not asynchronous.
        """
        bound: Any = partial(method, *args, **kwargs)
        if session is None:
            answer: T = await self._threads.call(bound)
            return answer
        caller = session() if isinstance(session, async_scoped_session) else session
        if not isinstance(caller, (AsyncSession, AsyncConnection)):
            name = getattr(method, "__name__", "method")
            raise InvalidInput(
                f"session={caller!r} must be an AsyncSession, an async_scoped_session or an"
                f" AsyncConnection; one that is not asynchronous goes to durable.{name}"
            )
        answer = await caller.run_sync(lambda sync: bound(session=sync))
        return answer


def threads_for(durable: Durable) -> Threads:
    """Return threads that work on connections of the binding's engine."""
    return Threads(f"gendurable-{durable.name}-aio", enough_threads(durable.given))


def handle_of(handle: Handle) -> AsyncHandle:
    """Return the handle whose methods are coroutines."""
    return AsyncHandle(handle.id, handle.created, handle.durable)
