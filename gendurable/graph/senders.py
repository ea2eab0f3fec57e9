"""Which signals the machines of a catalogue send each other, as far as the code can be read."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from gendurable.graph.nouns import Graph, Problem
from gendurable.graph.reading import signal_of
from gendurable.graph.source import UNKNOWN, Source, argument


def unsent(graph: Graph, classes: Iterable[type[Any]]) -> tuple[Problem, ...]:
    """Return the signals that *graph* awaits and none of *classes* sends.

    Most are sent by the application, from a webhook or a form: worth a look, and no mistake.
    """
    sent = {name for cls in classes for name in _sent(cls)}
    awaited = {(e.source, name) for e in graph.edges for name in e.signals if name not in sent}
    return tuple(
        Problem(
            "unsent",
            step,
            f"{graph.name}.{step or 'handle'} awaits {name!r}, which no machine sends;"
            " the application has to",
        )
        for step, name in sorted(awaited, key=lambda pair: (pair[0] or "", pair[1]))
    )


def _sent(cls: type[Any]) -> Iterator[str]:
    """Yield the names of the signals that the methods of *cls* send."""
    for value in {
        key: v for base in reversed(cls.__mro__) for key, v in vars(base).items()
    }.values():
        if not inspect.isfunction(value) or value.__module__.startswith(
            ("pydantic", "gendurable.")
        ):
            continue
        try:
            source = Source(value, cls)
        except OSError:
            continue
        for call, _ in source.calls():
            if isinstance(call.func, ast.Attribute) and call.func.attr == "signal":
                yield from _names(source, call)


def _names(source: Source, call: ast.Call) -> Iterator[str]:
    """Yield the signals of ``x.signal(target, signal)`` and of ``handle.signal(signal)``."""
    arguments = [argument(call, 0, "signal"), argument(call, 1, "signal")]
    for expression in arguments:
        for choice in [] if expression is None else source.choices(expression):
            value = source.value(choice.func if isinstance(choice, ast.Call) else choice)
            name = None if value is UNKNOWN else signal_of(value)
            if name is not None:
                yield name
