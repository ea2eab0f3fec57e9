"""What an insert answers with, and what a wait does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from gendurable.lifecycle import Status

if TYPE_CHECKING:
    from gendurable.callers import AsyncCaller, Caller
    from gendurable.durable import Durable
    from gendurable.models import Instance
    from gendurable.retry import Duration
    from gendurable.signals import Signal


@dataclass(frozen=True, slots=True)
class Settled:
    """How an instance stood when it was looked at last."""

    status: Status
    result: Any
    last_error: str | None
    step: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Inserted:
    """An instance that was inserted, or found under its key; ``int()`` of it is the id."""

    id: int
    created: bool
    durable: Durable

    def __int__(self) -> int:
        return self.id

    def __index__(self) -> int:
        return self.id

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id}, created={self.created})"


@dataclass(frozen=True, slots=True, repr=False)
class Handle(Inserted):
    """An instance that ``Durable`` has inserted, or found under its key."""

    def wait(
        self, timeout: Duration | None = None, until: Literal["settled", "terminal"] = "settled"
    ) -> Settled:
        """Wait until the instance is parked on signals or has ended; see ``Durable.wait``."""
        return self.durable.wait(self, timeout, until)

    def signal(
        self,
        signal: str | Signal,
        payload: Any = None,
        *,
        dedup_key: str | None = None,
        session: Caller = None,
    ) -> bool:
        """Send it a signal; see ``Durable.signal``."""
        return self.durable.signal(self, signal, payload, dedup_key=dedup_key, session=session)

    def cancel(
        self,
        reason: str,
        cascade: bool = False,
        *,
        session: Caller = None,
        by: str | None = None,
    ) -> bool:
        """Cancel it; see ``Durable.cancel``."""
        return self.durable.cancel(self, reason, cascade, session=session, by=by)

    def instance(self, session: Caller = None) -> Instance | None:
        """Return the row, loaded in *session* or detached, None if it is not visible."""
        found: Instance | None = self.durable.instance(self, session=session)
        return found


@dataclass(frozen=True, slots=True, repr=False)
class AsyncHandle(Inserted):
    """An instance that ``durable.aio`` has inserted, or found under its key."""

    async def wait(
        self, timeout: Duration | None = None, until: Literal["settled", "terminal"] = "settled"
    ) -> Settled:
        """Wait until the instance is parked on signals or has ended; see ``Durable.wait``."""
        return await self.durable.aio.wait(self, timeout, until)

    async def signal(
        self,
        signal: str | Signal,
        payload: Any = None,
        *,
        dedup_key: str | None = None,
        session: AsyncCaller = None,
    ) -> bool:
        """Send it a signal; see ``Durable.signal``."""
        aio = self.durable.aio
        return await aio.signal(self, signal, payload, dedup_key=dedup_key, session=session)

    async def cancel(
        self,
        reason: str,
        cascade: bool = False,
        *,
        session: AsyncCaller = None,
        by: str | None = None,
    ) -> bool:
        """Cancel it; see ``Durable.cancel``."""
        return await self.durable.aio.cancel(self, reason, cascade, session=session, by=by)

    async def instance(self, session: AsyncCaller = None) -> Instance | None:
        """Return the row, None if it is not visible; see ``Durable.instance``."""
        found: Instance | None = await self.durable.aio.instance(self, session=session)
        return found
