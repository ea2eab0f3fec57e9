"""Changing some fields of a stored state, checked as an insert checks a new one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from gendurable.errors import InvalidInput
from gendurable.roundtrip import codec
from gendurable.state import dump_state

if TYPE_CHECKING:
    from gendurable.fsm import FSM


def patched(
    cls: type[FSM], state: Mapping[str, Any], values: Mapping[str, Any], max_size: int
) -> str:
    """Return the JSON text of *state* with *values* in it, as objects of *cls* are stored.

    Values are what the fields hold, or JSON that can be read as that.

    Raises:
        InvalidInput: a field is not known, or does not take its value; the message names it.
    """
    its = codec(cls)
    unknown = [name for name in values if name not in its.names]
    if unknown and cls.model_config.get("extra") != "allow":
        raise InvalidInput(
            f"{cls.__name__} has no field {', '.join(map(repr, unknown))}; its fields are"
            f" {', '.join(its.names)}"
        )
    merged = dict(state)
    for name, value in values.items():
        merged[name] = _json(cls, name, value)
    try:
        obj = its.read(json.dumps(merged))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, (cls.__name__, *first["loc"])))
        raise InvalidInput(f"{where}={first['input']!r}: {first['msg']}") from error
    return dump_state(obj, max_size=max_size)


def _json(cls: type[FSM], name: str, value: Any) -> Any:
    """Return *value* as JSON, written as its field writes it."""
    its = codec(cls)
    try:
        alone = cls.model_construct(_fields_set={name}, **{name: value})
        raw = its.write(alone, include={name}, round_trip=True, warnings=False)
        return json.loads(raw)[name]
    except Exception as error:
        raise InvalidInput(
            f"{cls.__name__}.{name}={value!r} cannot be stored as JSON: {error}"
        ) from error
