"""What goes with a new instance: names and keys, checked at once, and the options of an insert."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from gendurable.errors import InvalidInput
from gendurable.retry import Duration, seconds
from gendurable.state import storable

#: A key, or its parts, joined by colons; the first part is the name that limits are matched by.
Key: TypeAlias = str | tuple[str | int | UUID, ...]

MAX_NAME: Final = 512
MAX_INT: Final = 2**31 - 1


_set = object.__setattr__


class Scope(StrEnum):
    """For how long an instance keeps its correlation key to itself."""

    LIVE = "live"
    ALL = "all"


LIVE: Final = Scope.LIVE
ALL: Final = Scope.ALL


def check_name(value: object, what: str, error: type[Exception] = InvalidInput) -> str:
    """Return *value* if it is text of 1 to 512 bytes that the database can store.

    Raises:
        Exception: *error*, naming *what* and the value.
    """
    if not isinstance(value, str):
        raise error(f"{what}={value!r} must be text, not {type(value).__name__}")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise error(f"{what}={value!r} holds a lone surrogate, which no database stores") from None
    if not 1 <= size <= MAX_NAME:
        shown = value if len(value) < 60 else f"{value[:57]}..."
        raise error(f"{what}={shown!r} has {size} bytes in UTF-8; 1 to {MAX_NAME} are allowed")
    if "\0" in value:
        raise error(f"{what}={value!r} holds a NUL character, which no database stores")
    return value


def check_note(text: object, what: str) -> str | None:
    """Return *text*, which goes into the history, as the database can store it; None stays None.

    Raises:
        InvalidInput: it is no text.
    """
    if text is not None and not isinstance(text, str):
        raise InvalidInput(f"{what}={text!r} must be a text")
    return None if text is None else storable(text)


def join_key(key: Any, what: str, error: type[Exception] = InvalidInput) -> str | None:
    """Return *key* as ``key_text`` does; None stays None."""
    return None if key is None else key_text(key, what, error)


def key_text(key: Any, what: str, error: type[Exception] = InvalidInput) -> str:
    """Return *key* as text: ``("stripe", 7)`` is ``"stripe:7"``.

    Raises:
        Exception: *error*, when it is neither text nor a tuple that begins with a name.
    """
    if isinstance(key, str):
        return check_name(key, what, error)
    if not isinstance(key, tuple) or not key:
        raise error(f"{what}={key!r} must be text or a tuple such as ('stripe', tenant)")
    if not isinstance(key[0], str) or ":" in key[0]:
        raise error(f"{what}={key!r} must begin with a name that has no colon")
    for part in key:
        if isinstance(part, bool) or not isinstance(part, (str, int, UUID)):
            raise error(f"{what}={key!r}: {part!r} is neither text nor a number nor a UUID")
    return check_name(":".join(map(str, key)), what, error)


def positive(value: object, what: str, error: type[Exception] = InvalidInput) -> int:
    """Return *value* if it is a positive integer that fits its column."""
    if type(value) is not int or not 1 <= value <= MAX_INT:
        raise error(f"{what}={value!r} must be a positive integer")
    return value


def check_priority(value: object, what: str, error: type[Exception] = InvalidInput) -> int:
    """Return *value* if it is a priority: a smallint, lower ones go first."""
    if type(value) is not int or not -32_768 <= value <= 32_767:
        raise error(f"{what}={value!r} must be an integer from -32768 to 32767; lower goes first")
    return value


def _scope(value: Any) -> Scope | None:
    if value is None:
        return None
    try:
        return Scope(value)
    except ValueError:
        raise InvalidInput(f"correlation_scope={value!r} must be LIVE, ALL or None") from None


def check_aware(value: object) -> None:
    """Refuse what is no instant: a datetime without a zone would be that of some clock."""
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise InvalidInput(f"at={value!r} must be a datetime with a time zone")


def check_several(objs: object, what: str, error: type[Exception] = InvalidInput) -> None:
    """Refuse one object where several are wanted: to iterate over it gives its fields."""
    if isinstance(objs, Spawn) or getattr(type(objs), "__machine__", None) is not None:
        raise error(f"{what}={objs!r} is a single object; give a list, [{objs!r}]")
    if isinstance(objs, (str, bytes)) or not isinstance(objs, Iterable):
        raise error(f"{what}={objs!r} must be a list of FSM or Job objects, or of Spawn(obj, ...)")


def machine_of(obj: object) -> Any:
    """Return the ``Machine`` that *obj* is an instance of.

    Raises:
        InvalidInput: it is of none.
    """
    machine = getattr(type(obj), "__machine__", None)
    if machine is None:
        raise InvalidInput(f"{obj!r} is no FSM or Job object")
    return machine


@dataclass(frozen=True, slots=True)
class Spawn:
    """An object to be inserted, with the options that its insert takes.

    Everything is checked when it is built: keys are joined, delays become seconds, scopes members
    of ``Scope``.
    """

    obj: Any
    queue: str | None = None
    priority: int = 0
    delay: Duration | None = None
    at: datetime | None = None
    correlation_key: Key | None = None
    correlation_scope: Scope | Literal["live", "all"] | None = LIVE
    if_exists: Literal["raise", "return"] = "raise"
    concurrency_key: Key | None = None
    rate_limit: Key | None = None
    weight: int = 1
    headers: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        machine_of(self.obj)
        if self.queue is not None:
            check_name(self.queue, "queue")
        check_priority(self.priority, "priority")
        positive(self.weight, "weight")
        if self.delay is not None:
            _set(self, "delay", seconds(self.delay, "delay", InvalidInput))
            if self.at is not None:
                raise InvalidInput("give delay= or at=, not both")
        if self.at is not None:
            check_aware(self.at)
        self._join_keys()
        if type(self.correlation_scope) is not Scope:
            _set(self, "correlation_scope", _scope(self.correlation_scope))
        if self.if_exists not in ("raise", "return"):
            raise InvalidInput(f"if_exists={self.if_exists!r} must be 'raise' or 'return'")
        if self.headers is not None and not isinstance(self.headers, dict):
            raise InvalidInput(f"headers={self.headers!r} must be a dict")

    def _join_keys(self) -> None:
        if self.correlation_key is not None:
            _set(self, "correlation_key", join_key(self.correlation_key, "correlation_key"))
        if self.concurrency_key is not None:
            _set(self, "concurrency_key", join_key(self.concurrency_key, "concurrency_key"))
        if self.rate_limit is not None:
            _set(self, "rate_limit", join_key(self.rate_limit, "rate_limit"))


#: The options of an object for which none is given, in the order of ``Spawn``.
UNSAID: Final = tuple(field.default for field in fields(Spawn) if field.name != "obj")
