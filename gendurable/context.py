"""What a step is given: who it is, what arrived, and the session that its outcome commits in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, overload

from gendurable.lifecycle import Status
from gendurable.signals import Signals

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import Session

_logger = logging.getLogger("gendurable.step")

#: How many children are fetched at a time.
PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Child:
    """A child as it stands in the table; ``round`` is the fan-out of its parent that it is of."""

    id: int
    fsm: str
    step: str
    status: Status
    state: Any
    result: Any
    last_error: str | None
    round: int


class Children(Sequence[Child]):
    """Every child of an instance that is still in the table, ordered by id, read when touched.

    *fetch* returns at most so many children whose id is greater than the given one.
    """

    __slots__ = ("_fetch", "_rows")

    def __init__(self, fetch: Callable[[int, int], list[Child]]) -> None:
        self._fetch = fetch
        self._rows: list[Child] | None = None

    def _all(self) -> list[Child]:
        if self._rows is None:
            self._rows = list(self._pages())
        return self._rows

    def _pages(self) -> Iterator[Child]:
        last = 0
        while True:
            page = self._fetch(last, PAGE)
            yield from page
            if len(page) < PAGE:
                return
            last = page[-1].id

    def stream(self) -> Iterator[Child]:
        """Yield the children without keeping them: for families that do not fit into memory."""
        return self._pages() if self._rows is None else iter(self._rows)

    def count(self, value: Any) -> int:
        """Return how many children have this status."""
        return sum(child.status == value for child in self.stream())

    @overload
    def __getitem__(self, index: int) -> Child: ...
    @overload
    def __getitem__(self, index: slice) -> list[Child]: ...
    def __getitem__(self, index: int | slice) -> Child | list[Child]:
        return self._all()[index]

    def __len__(self) -> int:
        return len(self._all())

    def __iter__(self) -> Iterator[Child]:
        return iter(self._all())

    def __repr__(self) -> str:
        return f"Children({self._all()!r})"


class StepScope(Protocol):
    """What the engine provides for one execution of a step, each on first touch."""

    @property
    def durable(self) -> Any:
        """The binding."""

    @property
    def stopping(self) -> bool:
        """Whether the worker drains, or the claim is known to be lost."""
        ...

    @property
    def idempotency_key(self) -> str:
        """The same for every execution of this visit, and for no other."""
        ...

    def session(self) -> Session:
        """Return the session of a sync step."""
        ...

    def async_session(self) -> AsyncSession:
        """Return the session of an async step."""
        ...

    def children(self) -> Children:
        """Return the children, yet to be read."""
        ...

    def heartbeat(self) -> None:
        """Ask for a longer lease; raise ``LeaseLost`` if the row is no longer ours."""


class StepLog(logging.LoggerAdapter[logging.Logger]):
    """A logger whose records carry id, fsm, step and attempt."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Add what identifies the step to what the caller gave."""
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs


class Context:
    """One execution of one step: what is known of the instance, and what the step may use."""

    __slots__ = (
        "_children",
        "_log",
        "_scope",
        "attempt",
        "awaited",
        "correlation_key",
        "fsm",
        "fsm_version",
        "headers",
        "id",
        "parent_id",
        "signals",
        "state",
        "step",
        "timed_out",
    )

    def __init__(
        self,
        *,
        id: int,
        fsm: str,
        fsm_version: int,
        step: str,
        attempt: int,
        state: Any,
        correlation_key: str | None,
        parent_id: int | None,
        headers: dict[str, Any],
        awaited: Signals,
        signals: Signals,
        timed_out: bool,
        scope: StepScope,
    ) -> None:
        self.id = id
        self.fsm = fsm
        self.fsm_version = fsm_version
        self.step = step
        self.attempt = attempt
        self.state = state
        self.correlation_key = correlation_key
        self.parent_id = parent_id
        self.headers = headers
        self.awaited = awaited
        self.signals = signals
        self.timed_out = timed_out
        self._scope = scope
        self._children: Children | None = None
        self._log: StepLog | None = None

    @property
    def durable(self) -> Any:
        """The binding that this step runs under."""
        return self._scope.durable

    @property
    def stopping(self) -> bool:
        """True once the worker drains or the claim is known to be lost: come to an end."""
        return self._scope.stopping

    @property
    def idempotency_key(self) -> str:
        """The same for every execution and retry of this visit, and different for all others.

        Safe to hand to a payment API.
        """
        return self._scope.idempotency_key

    @property
    def session(self) -> Session:
        """The session whose rows commit with the outcome, or not at all."""
        return self._scope.session()

    @property
    def async_session(self) -> AsyncSession:
        """The same for an async step."""
        return self._scope.async_session()

    @property
    def children(self) -> Children:
        """Every child still in the table, ordered by id; read when first touched."""
        if self._children is None:
            self._children = self._scope.children()
        return self._children

    def heartbeat(self) -> None:
        """Ask for a longer lease now; never waits for a lock.

        Raises:
            LeaseLost: the row is no longer this execution's.
        """
        self._scope.heartbeat()

    @property
    def log(self) -> StepLog:
        """A logger whose records carry id, fsm, step and attempt."""
        if self._log is None:
            names = ("id", "fsm", "step", "attempt")
            self._log = StepLog(_logger, {name: getattr(self, name) for name in names})
        return self._log

    def __repr__(self) -> str:
        return f"<Context {self.id} {self.fsm}.{self.step} attempt {self.attempt}>"
