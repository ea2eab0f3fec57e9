"""Messages to an instance: signals that have a type, and the inbox as a step sees it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, TypeVar, overload

from pydantic import BaseModel, ConfigDict
from pydantic_core import to_json

from gendurable.errors import InvalidInput
from gendurable.roundtrip import codec
from gendurable.spawn import check_name
from gendurable.state import MAX_SIZE, dump_json, dump_state

S = TypeVar("S", bound="Signal")


class Signal(BaseModel):
    """A message with a type: its fields are the payload, its class gives the name.

    A sender may know more fields than the receiver; those are passed over.
    """

    model_config = ConfigDict(extra="forbid")

    signal_name: ClassVar[str]

    def __init_subclass__(cls, *, name: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.signal_name = check_name(cls.__name__ if name is None else name, "name", TypeError)


class ReceivedSignal(NamedTuple):
    """One signal of an inbox; ``payload`` is the JSON value that was sent with it."""

    id: int
    name: str
    payload: Any
    dedup_key: str | None
    inserted_at: datetime


class Signals(Sequence[ReceivedSignal]):
    """Signals of an inbox, oldest first."""

    __slots__ = ("_items",)

    def __init__(self, items: tuple[ReceivedSignal, ...] = ()) -> None:
        self._items = items

    @overload
    def __getitem__(self, index: int) -> ReceivedSignal: ...
    @overload
    def __getitem__(self, index: slice) -> Signals: ...
    def __getitem__(self, index: int | slice) -> ReceivedSignal | Signals:
        if isinstance(index, slice):
            return Signals(self._items[index])
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"Signals({list(self._items)!r})"

    def __iter__(self) -> Iterator[ReceivedSignal]:
        return iter(self._items)

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids, in the same order."""
        return tuple(item.id for item in self._items) if self._items else ()

    @property
    def names(self) -> frozenset[str]:
        """The names that are present."""
        return frozenset(item.name for item in self._items)

    @overload
    def first(self, kind: type[S]) -> S | None: ...
    @overload
    def first(self, kind: str) -> ReceivedSignal | None: ...
    def first(self, kind: type[S] | str) -> S | ReceivedSignal | None:
        """Return the oldest signal of this name or type, or None.

        Raises:
            ValidationError: the payload does not fit the type.
        """
        name = signal_name(kind)
        for item in self._items:
            if item.name == name:
                return item if isinstance(kind, str) else typed(kind, item.payload)
        return None

    @overload
    def all(self, kind: type[S]) -> list[S]: ...
    @overload
    def all(self, kind: str) -> list[ReceivedSignal]: ...
    def all(self, kind: type[S] | str) -> list[S] | list[ReceivedSignal]:
        """Return all signals of this name or type, oldest first.

        Raises:
            ValidationError: a payload does not fit the type.
        """
        name = signal_name(kind)
        found = [item for item in self._items if item.name == name]
        return found if isinstance(kind, str) else [typed(kind, item.payload) for item in found]


def typed(kind: type[S], payload: Any) -> S:
    """Read a payload as *kind*: as JSON, so that bytes, dates and sets become what they were.

    What was sent by its name alone has no payload, and for a class no fields.

    Raises:
        ValidationError: it does not fit.
    """
    text = to_json({} if payload is None else payload)
    return codec(kind).read(text, extra="ignore")  # type: ignore[no-any-return]


def signal_name(signal: str | Signal | type[Signal]) -> str:
    """Return the name under which *signal* is sent.

    Raises:
        InvalidInput: it is neither a name nor a signal.
    """
    if isinstance(signal, str):
        return check_name(signal, "signal")
    kind: type[Any] = signal if isinstance(signal, type) else type(signal)
    if issubclass(kind, Signal) and kind is not Signal:
        return kind.signal_name
    raise InvalidInput(f"signal={signal!r} is neither a name nor a Signal")


def payload_json(signal: str | Signal, payload: Any, *, max_size: int = MAX_SIZE) -> str:
    """Return what is stored with *signal* as JSON text: its own fields, or the *payload*.

    Raises:
        InvalidInput: the payload cannot be stored, or is given for a signal that has its own.
    """
    if isinstance(signal, str):
        return dump_json(payload, "payload", max_size=max_size)
    if not isinstance(signal, Signal):
        raise InvalidInput(f"signal={signal!r}: send an object, such as {signal_name(signal)}(...)")
    if payload is not None:
        raise InvalidInput(f"payload={payload!r}: {signal!r} is itself the payload")
    return dump_state(signal, max_size=max_size)
