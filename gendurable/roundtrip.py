"""JSON of models that comes back as it went in: their codec, and the comparison that proves it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import SchemaSerializer, SchemaValidator, to_json
from pydantic_core.core_schema import no_info_before_validator_function

#: How each model inside a state is written and read, whatever its own configuration says:
#: pydantic asks the nearest model or dataclass, never the outermost one.
CONFIG: Final[dict[str, Any]] = {
    "ser_json_bytes": "base64",
    "val_json_bytes": "base64",
    "ser_json_inf_nan": "strings",
    "ser_json_timedelta": "iso8601",
    "ser_json_temporal": "iso8601",
    "serialize_by_alias": False,
    "validate_by_alias": False,
    "validate_by_name": True,
    "strict": False,
}

#: Where a number may land as int or as float, so that its spelling matters.
_LOOSE: Final = frozenset({"any", "enum", "union", "tagged-union", "function-plain"})
_CONFIGURED: Final = frozenset({"model", "dataclass", "typed-dict"})
_OPAQUE: Final = frozenset({"metadata", "default", "expected", "config", "members", "cls"})

#: Types of values that come back from JSON as they are.
_PLAIN: Final = frozenset({str, int, bool, NoneType})

#: Types whose values are equal exactly when nothing was lost.
ATOMS: Final = frozenset({str, int, bool, NoneType, bytes, float, date, timedelta, UUID, Decimal})
_STEADY: Final = ATOMS | {datetime, time}

_NOTHING: Final = object()


def _configured(schema: Any) -> Any:
    """Return a copy of a core schema in which every model has ``CONFIG``."""
    if isinstance(schema, (list, tuple)):
        return type(schema)(map(_configured, schema))
    if not isinstance(schema, dict):
        return schema
    copy: Any = {key: v if key in _OPAQUE else _configured(v) for key, v in schema.items()}
    kind = schema.get("type")
    if kind in _CONFIGURED:
        copy["config"] = {**(schema.get("config") or {}), **CONFIG}
    elif kind == "enum" and (spelled := _spelled(schema["members"])):
        ref = copy.pop("ref", None)
        return no_info_before_validator_function(_reader(spelled), copy, ref=ref)
    return copy


def _spelled(members: Iterable[Enum]) -> dict[bytes, Enum]:
    """Return the members whose values JSON has no type for, by how it spells them.

    One that is spelled like another is left out, and would not come back.
    """
    spelled: dict[bytes, Enum] = {}
    for member in sorted(members, key=lambda one: type(one.value) not in _PLAIN):
        if type(member.value) in _PLAIN or _is_steady(member.value):
            spelled.setdefault(_spelling(member.value), member)
    return {text: one for text, one in spelled.items() if type(one.value) not in _PLAIN}


def _reader(spelled: dict[bytes, Enum]) -> Callable[[Any], Any]:
    """Return what finds a member by its value as it is read from JSON, and leaves others alone."""

    def read(value: Any) -> Any:
        return spelled.get(_spelling(value), value)

    return read


def _spelling(value: Any) -> bytes:
    return to_json(value, bytes_mode="base64", inf_nan_mode="strings", timedelta_mode="iso8601")


def _is_steady(value: Any) -> bool:
    """Whether JSON spells *value* alike in every process: not so a set."""
    return all(map(_is_steady, value)) if type(value) is tuple else type(value) in _STEADY


def _kinds(schema: Any) -> Iterable[str]:
    """Yield the type of every node of a core schema."""
    if isinstance(schema, (list, tuple)):
        for part in schema:
            yield from _kinds(part)
    elif isinstance(schema, dict):
        if isinstance(schema.get("type"), str):
            yield schema["type"]
        if "allow" in (schema.get("config") or {}).values():
            yield "any"
        for key, part in schema.items():
            if key not in _OPAQUE:
                yield from _kinds(part)


class Codec:
    """Writes the objects of one model class as JSON and reads them back."""

    __slots__ = ("loose", "names", "read", "write")

    write: Callable[..., bytes]
    read: Callable[..., Any]

    def __init__(self, cls: type[BaseModel]) -> None:
        if not cls.__pydantic_complete__:  # names in its annotations may be known by now
            cls.model_rebuild()
        schema = _configured(cls.__pydantic_core_schema__)
        config: Any = CONFIG
        # Without this, nested classes bring the serializers that they were built with.
        self.write = SchemaSerializer(schema, config, _use_prebuilt=False).to_json
        self.read = SchemaValidator(schema, config, _use_prebuilt=False).validate_json
        self.names = tuple(cls.model_fields)
        self.loose = not _LOOSE.isdisjoint(_kinds(schema))


def codec(cls: type[BaseModel]) -> Codec:
    """Return the codec of *cls*, built at first use."""
    found = cls.__dict__.get("__codec__")
    if found is None:
        found = Codec(cls)
        type.__setattr__(cls, "__codec__", found)
    return found


def difference(one: Any, other: Any) -> str | None:
    """Return where *one* and *other* differ, as in ``.items[3]`` ("": here), or None.

    Types must match and nan equals nan. An integer may come back as the equal float, since type
    checkers let one be assigned to a float field. The name of a time zone, the order of a dict
    and the sign of zero are not compared.
    """
    kind = type(one)
    if kind is not type(other):
        return None if kind is int and type(other) is float and one == other else ""
    if kind in ATOMS:
        return None if one == other or (one != one and other != other) else ""
    if kind is datetime or kind is time:
        same = one.replace(tzinfo=None) == other.replace(tzinfo=None)
        return None if same and one.utcoffset() == other.utcoffset() else ""
    if isinstance(one, dict):
        return _mapping(one, other)
    if isinstance(one, (list, tuple, deque)):
        return _sequence(one, other)
    if isinstance(one, (set, frozenset)):
        return _set(one, other)
    if isinstance(one, BaseModel):
        return _mapping(content(one), content(other), ".{}")
    if is_dataclass(one):
        ours, theirs = ({f.name: getattr(x, f.name) for f in fields(x)} for x in (one, other))
        return _mapping(ours, theirs, ".{}")
    return None if one == other else ""


def content(model: BaseModel) -> dict[str, Any]:
    """Return the fields of *model* with their values, and what it was given beyond them."""
    values = model.__dict__
    found = {name: values[name] for name in type(model).model_fields}
    return found | model.__pydantic_extra__ if model.__pydantic_extra__ else found


def _sequence(one: Any, other: Any) -> str | None:
    if len(one) != len(other):
        return ""
    for index, (here, there) in enumerate(zip(one, other, strict=True)):
        if type(here) in ATOMS and type(here) is type(there) and here == there:
            continue
        where = difference(here, there)
        if where is not None:
            return f"[{index}]{where}"
    return None


def _mapping(one: Any, other: Any, shape: str = "[{!r}]") -> str | None:
    for key, here in one.items():
        there = other.get(key, _NOTHING)
        if there is _NOTHING and key != key:
            there = next((v for k, v in other.items() if difference(key, k) is None), _NOTHING)
        if type(here) in ATOMS and type(here) is type(there) and here == there:
            continue
        where = difference(here, there)
        if where is not None:
            return f"{shape.format(key)}{where}"
    same_keys = len(one) == len(other) and set(map(type, one)) == set(map(type, other))
    return None if same_keys else ""


def _set(one: Any, other: Any) -> str | None:
    """Compare sets; what holds a nan equals nothing and is matched item by item."""
    found = {item: item for item in other}
    lost = [item for item in one if difference(item, found.get(item, _NOTHING)) is not None]
    spare = [item for item in other if item not in one]
    for item in lost:
        match = next((s for s in spare if difference(item, s) is None), _NOTHING)
        if match is _NOTHING:
            return ""
        spare.remove(match)
    return "" if spare else None
