"""Signals that a person sends by name: held against what the code of this process says of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from inspect import signature
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from gendurable import graph
from gendurable.engine.findings import complaint
from gendurable.errors import InvalidInput
from gendurable.job import Job
from gendurable.signals import Signal, typed

if TYPE_CHECKING:
    from gendurable.durable import Durable


def refuse_unfit(name: str, payload: Any) -> None:
    """Refuse a payload on which the step that reads it as its type would fail, at each retry.

    Where several classes have the name, none of them is known to be meant.

    Raises:
        InvalidInput: it does not fit the one class of this name.
    """
    kind = _kind(name)
    if kind is None:
        return
    try:
        typed(kind, payload)
    except ValidationError as error:
        raise InvalidInput(f"this is no payload of {name}: {complaint(error)}") from error


def unawaited(durable: Durable, name: str) -> str | None:
    """Say that no machine awaits *name*, and what they do await.

    None if one does, or if the code of one cannot be read to its end.
    """
    awaited: dict[str, set[str]] = {}
    for machine in dict(durable.catalogue.machines()).values():
        if issubclass(machine.cls, Job):
            continue
        read = graph.read(machine.cls)
        left = {node.name for node in read.steps} - {edge.source for edge in read.edges}
        if left or any(problem.kind == "unreadable" for problem in read.problems):
            return None
        if signals := {one for edge in read.edges for one in edge.signals}:
            awaited.setdefault(read.name, set()).update(signals)
    if any(name in names for names in awaited.values()):
        return None
    known = "".join(f"; {one} awaits {', '.join(sorted(awaited[one]))}" for one in sorted(awaited))
    return f"no machine here awaits {name!r}{known}"


def spelled(target: int | str, name: str) -> str:
    """Return the call that sends this signal, with an object where its class is known."""
    kind = _kind(name)
    shown = json.dumps(name, ensure_ascii=False)
    if kind is not None:
        named = (one for one in signature(kind).parameters.values() if one.kind is one.KEYWORD_ONLY)
        needed = (f"{one.name}=..." for one in named if one.default is one.empty)
        shown = f"{kind.__name__}({', '.join(needed)})"
    return f"durable.signal({json.dumps(target, ensure_ascii=False)}, {shown})"


def _kind(name: str) -> type[Signal] | None:
    """Return the class of this name, None if there is none, or more than one."""
    found = [kind for kind in _kinds(Signal) if kind.signal_name == name]
    return found[0] if len(found) == 1 else None


def _kinds(base: type[Signal]) -> Iterator[type[Signal]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)
