"""What is read from the code of a machine: steps, the edges between them, and what is odd."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["next", "await", "children", "retry", "done", "stop"]
Oddity: TypeAlias = Literal["unknown", "unreadable", "unreachable", "unsent"]

#: The kinds after which an instance has ended.
ENDS: Final = frozenset({"done", "stop"})


@dataclass(frozen=True, slots=True)
class Node:
    """A step: its name, the first line of its docstring, and whether instances start here."""

    name: str
    doc: str = ""
    initial: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """One outcome that a step can have.

    ``source`` is None for an outcome of ``handle``, which speaks for every step; ``target`` is
    None where the instance ends.
    """

    source: str | None
    target: str | None
    kind: Kind
    signals: tuple[str, ...] = ()  # what an await waits for
    children: tuple[str, ...] = ()  # the machines whose instances are started
    deadline: str | None = None  # until when is waited, as text
    delay: str | None = None  # how long the next step waits, as text
    note: str | None = None  # how often, how many

    @property
    def label(self) -> tuple[str, ...]:
        """What the edge says in a picture, line by line."""
        return tuple(self._lines())

    def _lines(self) -> Iterator[str]:
        if self.kind == "await":
            yield " | ".join(self.signals) or "a signal"
        elif self.kind == "children":
            yield f"children {', '.join(self.children)}".strip()
        elif self.kind == "retry":
            yield "retry"
        if self.note is not None:
            yield self.note
        if self.deadline is not None:
            yield f"or after {self.deadline}"
        if self.delay is not None:
            yield f"after {self.delay}"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something odd about a machine; only an ``unknown`` target is certainly wrong."""

    kind: Oddity
    step: str | None
    message: str

    @property
    def wrong(self) -> bool:
        """Whether the code cannot work as it stands."""
        return self.kind == "unknown"

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Graph:
    """A machine as read from its code; edges stand in the order in which they were found."""

    name: str
    version: int
    steps: tuple[Node, ...]
    edges: tuple[Edge, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def initial(self) -> str:
        """The name of the step at which instances start."""
        return next(node.name for node in self.steps if node.initial)
