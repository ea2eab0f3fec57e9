"""New instances: one, many, or children of one that exists."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from gendurable.aio.calling import Calling, handle_of
from gendurable.callers import AsyncCaller
from gendurable.fsm import FSM
from gendurable.handle import AsyncHandle
from gendurable.operations import Target
from gendurable.retry import Duration
from gendurable.spawn import LIVE, Key, Scope, Spawn, check_several


class AsyncInserting(Calling):
    """Inserting in the transaction of the caller, or in one of our own."""

    async def insert(
        self,
        obj: FSM,
        *,
        session: AsyncCaller = None,
        queue: str | None = None,
        priority: int = 0,
        delay: Duration | None = None,
        at: datetime | None = None,
        correlation_key: Key | None = None,
        correlation_scope: Scope | Literal["live", "all"] | None = LIVE,
        if_exists: Literal["raise", "return"] = "raise",
        concurrency_key: Key | None = None,
        rate_limit: Key | None = None,
        weight: int = 1,
        headers: dict[str, Any] | None = None,
    ) -> AsyncHandle:
        """Insert an instance in the state of *obj*; see ``Durable.insert``."""
        handle = await self._call(
            self._durable.insert,
            session,
            obj,
            queue=queue,
            priority=priority,
            delay=delay,
            at=at,
            correlation_key=correlation_key,
            correlation_scope=correlation_scope,
            if_exists=if_exists,
            concurrency_key=concurrency_key,
            rate_limit=rate_limit,
            weight=weight,
            headers=headers,
        )
        return handle_of(handle)

    async def insert_all(
        self, objs: Iterable[FSM | Spawn], *, session: AsyncCaller = None
    ) -> list[AsyncHandle | None]:
        """Insert many at once; see ``Durable.insert_all``."""
        check_several(objs, "objs")
        handles = await self._call(self._durable.insert_all, session, list(objs))
        return [None if handle is None else handle_of(handle) for handle in handles]

    async def insert_nowait(
        self,
        obj: FSM,
        *,
        queue: str | None = None,
        priority: int = 0,
        delay: Duration | None = None,
        at: datetime | None = None,
        correlation_key: Key | None = None,
        correlation_scope: Scope | Literal["live", "all"] | None = LIVE,
        concurrency_key: Key | None = None,
        rate_limit: Key | None = None,
        weight: int = 1,
        headers: dict[str, Any] | None = None,
    ) -> None:
        """Have an instance inserted soon, with many others; see ``Durable.insert_nowait``."""
        await self._call(
            self._durable.insert_nowait,
            None,
            obj,
            queue=queue,
            priority=priority,
            delay=delay,
            at=at,
            correlation_key=correlation_key,
            correlation_scope=correlation_scope,
            concurrency_key=concurrency_key,
            rate_limit=rate_limit,
            weight=weight,
            headers=headers,
        )

    async def flush(self) -> None:
        """Insert at once whatever ``insert_nowait`` has taken; see ``Durable.flush``."""
        await self._call(self._durable.flush, None)

    async def schedule_children(
        self, parent: Target, children: Iterable[FSM | Spawn], session: AsyncCaller = None
    ) -> int:
        """Add children to *parent* from outside; see ``Durable.schedule_children``."""
        check_several(children, "children")
        return await self._call(self._durable.schedule_children, session, parent, list(children))
