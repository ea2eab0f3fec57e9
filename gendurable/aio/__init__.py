"""The methods of a binding as coroutines, for applications on SQLAlchemy's asyncio extension."""

from __future__ import annotations

from gendurable.aio.editing import AsyncEditing
from gendurable.aio.inserting import AsyncInserting
from gendurable.aio.maintenance import AsyncMaintenance
from gendurable.aio.operating import AsyncOperating
from gendurable.aio.scheduling import AsyncScheduling


class AsyncDurable(AsyncInserting, AsyncOperating, AsyncEditing, AsyncScheduling, AsyncMaintenance):
    """The methods of ``Durable`` as coroutines, found at ``durable.aio``.

    Each has the parameters, the meaning and the errors of the method whose name it bears, except
    that ``session=`` is an ``AsyncSession``, an ``async_scoped_session`` or an
    ``AsyncConnection``. With one it works in that transaction, on the event loop, and takes effect
    if and when that commits. Without one the method itself runs in a thread of the binding's, on
    its engine, and has taken effect when the coroutine returns.

    A coroutine that is cancelled while a thread works for it ends at once; the thread goes on, and
    its transaction commits as if nobody had been cancelled, or fails by itself. Where that must not
    be, pass a session, whose rollback undoes it.

    It belongs to no event loop and may be used from several.
    """

    def __repr__(self) -> str:
        return f"{self._durable!r}.aio"
