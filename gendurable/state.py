"""What is stored as JSON: states, results, payloads; refused unless it comes back as it went in."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from gendurable.errors import StateError
from gendurable.roundtrip import ATOMS, Codec, codec, content, difference

M = TypeVar("M", bound=BaseModel)

log = logging.getLogger("gendurable")

#: What is larger is refused, unless ``bind(max_size=...)`` says otherwise.
MAX_SIZE: Final = 1_000_000
#: What is larger is logged, since every step reads and writes it.
LARGE: Final = 64_000
#: The most digits of an integer that Python's JSON readers take.
MAX_DIGITS: Final = 4_300
#: Where a text that the engine writes itself is cut, in bytes.
MAX_TEXT: Final = 16_000

_STRING: Final = rb'"(?:[^"\\]|\\.)*"'
_ESCAPED_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_NOT_FINITE: Final = re.compile(_STRING + rb"|(NaN|-?Infinity)")
_LONG_NUMBER: Final = re.compile(_STRING + rb"|(\d{%d})" % (MAX_DIGITS + 1))
_EXPONENT: Final = re.compile(rb"\d[eE][+-]?\d")
_SCIENTIFIC: Final = re.compile(_STRING + rb"|(-?\d+(?:\.\d+)?[eE][+-]?\d+)")
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


def dump_state(obj: BaseModel, *, max_size: int = MAX_SIZE) -> str:
    """Return *obj* as JSON text, once it is certain that it will come back as it is.

    Raises:
        StateError: a field does not validate, would come back different, or cannot be stored.
    """
    cls = type(obj)
    its: Codec = cls.__dict__.get("__codec__") or codec(cls)
    try:
        raw = its.write(obj, round_trip=True, warnings=False)
        if its.loose and _EXPONENT.search(raw):
            raw = _SCIENTIFIC.sub(_spelled_out, raw)
        theirs = its.read(raw).__dict__
        ours = obj.__dict__
        for name in its.names:
            one, other = ours[name], theirs[name]
            if type(one) in ATOMS and type(one) is type(other) and one == other:
                continue
            where = difference(one, other)
            if where is not None:
                raise _changed(cls, name + where, one, other)
        if obj.__pydantic_extra__:
            _compare_extras(obj, its.read(raw))
    except StateError:
        raise
    except Exception as error:
        raise _unfit(obj, its, error) from error
    if b"\\u0000" in raw or len(raw) > LARGE or len(raw) > max_size:
        _check_size_and_text(obj, its, raw, max_size)
    return raw.decode()


def load_state(cls: type[M], text: str | bytes) -> M:
    """Return the object of class *cls* that *text* was written from.

    Raises:
        ValidationError: the text does not fit the class any more.
    """
    its: Codec = cls.__dict__.get("__codec__") or codec(cls)
    return its.read(text)  # type: ignore[no-any-return]


def dump_json(value: Any, what: str, *, max_size: int = MAX_SIZE) -> str:
    """Return *value* as JSON text; *what* names it in complaints: "result", "payload", "headers".

    Raises:
        StateError: it, or a part of it that the message names, is nothing that JSON can hold.
    """
    try:
        raw = to_json(value)
    except Exception as error:
        where, part = _culprit(value, what)
        mend = "; give its id" if hasattr(type(part), "id") else ""  # a handle, or a row
        raise StateError(f"{where} is {brief(part)}, no JSON: {error}{mend}") from error
    reason = _unstorable(raw)
    if reason is not None:
        raise StateError(f"{_culprit(value, what)[0]} {reason}")
    _check_size(raw, what, what, max_size)
    return raw.decode()


def storable(text: str) -> str:
    """Return *text* as the database can store it: no NUL, no lone surrogate, at most 16 kB."""
    text = _UNSTORABLE.sub("\ufffd", text)
    if len(text) * 4 > MAX_TEXT:
        text = text.encode()[:MAX_TEXT].decode(errors="ignore")
    return text


def describe(error: BaseException) -> str:
    """Return ``"<type>: <message>"``, storable, even if the error cannot say what it is."""
    try:
        message = str(error)
    except Exception as second:
        message = f"(its message cannot be read: {type(second).__name__})"
    return storable(f"{type(error).__name__}: {message}")


def _spelled_out(token: re.Match[bytes]) -> bytes:
    """Write 1e22 as 10000000000000000000000.0: jsonb would return it as an integer."""
    if token[1] is None:
        return token[0]
    digits = format(Decimal(token[1].decode()), "f")
    return (digits if "." in digits else f"{digits}.0").encode()


def _unstorable(raw: bytes) -> str | None:
    """Return why jsonb would refuse the JSON text *raw*, or None."""
    if b"\\u0000" in raw and _ESCAPED_NUL.search(raw):
        return "holds a NUL character, which jsonb cannot store"
    if (b"NaN" in raw or b"Infinity" in raw) and any(m[1] for m in _NOT_FINITE.finditer(raw)):
        return "is nan or infinite, which JSON cannot hold; store it as text"
    if len(raw) > MAX_DIGITS and any(m[1] for m in _LONG_NUMBER.finditer(raw)):
        return f"has more than {MAX_DIGITS} digits, which could not be read again"
    return None


def _culprit(value: Any, path: str, depth: int = 8) -> tuple[str, Any]:
    """Return path and value of what in *value* cannot be stored, some levels down at most."""
    for key, part in _parts(value) if depth else ():
        try:
            bad = _unstorable(to_json(part)) is not None
        except Exception:
            bad = True
        if bad:
            return _culprit(part, f"{path}[{key!r}]", depth - 1)
    return path, value


def _parts(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, (list, tuple)):
        yield from enumerate(value)
    elif isinstance(value, BaseModel):
        yield from content(value).items()


def brief(value: Any) -> str:
    """Return the ``repr`` of *value*, shortened, whatever it does."""
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _changed(cls: type, where: str, one: Any, other: Any) -> StateError:
    return StateError(
        f"{cls.__name__}.{where} would not come back as it is: {brief(one)} is read as"
        f" {brief(other)}; give the field the type that it holds"
    )


def _compare_extras(obj: BaseModel, back: BaseModel) -> None:
    ours, theirs = obj.__pydantic_extra__ or {}, back.__pydantic_extra__ or {}
    for name, one in ours.items():
        where = difference(one, theirs.get(name))
        if where is not None:
            raise _changed(type(obj), name + where, one, theirs.get(name))


def _unfit(obj: BaseModel, its: Codec, error: Exception) -> StateError:
    """Say which field of *obj* cannot be written, or does not validate when it is read."""
    name = type(obj).__name__
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        if first["loc"]:
            where = ".".join(map(str, first["loc"]))
            return StateError(f"{name}.{where}={brief(first['input'])}: {first['msg']}")
    for field in its.names:
        if field not in obj.__dict__:
            return StateError(f"{name}.{field} is missing; a field may be None, not deleted")
        try:
            from_json(its.write(obj, include={field}, round_trip=True, warnings=False))
        except Exception as reason:
            value = brief(obj.__dict__[field])
            return StateError(f"{name}.{field}={value} cannot be stored as JSON: {reason}")
    return StateError(f"{name} cannot be stored: {type(error).__name__}: {error}")


def _check_size_and_text(obj: BaseModel, its: Codec, raw: bytes, max_size: int) -> None:
    name = type(obj).__name__
    parts = {
        field: its.write(obj, include={field}, round_trip=True, warnings=False)
        for field in its.names
    }
    if (reason := _unstorable(raw)) is not None:
        where = next((f".{field}" for field, part in parts.items() if _unstorable(part)), "")
        raise StateError(f"{name}{where} {reason}")
    largest = max(parts, key=lambda field: len(parts[field]), default="state")
    _check_size(raw, "state", f"{name}.{largest}", max_size)


def _check_size(raw: bytes, what: str, where: str, max_size: int) -> None:
    if len(raw) > max_size:
        raise StateError(
            f"{where} makes the {what} {len(raw):,} bytes large; max_size is {max_size:,}."
            " Keep large data in a table of your own and its key here"
        )
    if len(raw) > LARGE:
        log.warning("%s makes the %s %d bytes large: each step moves it", where, what, len(raw))
