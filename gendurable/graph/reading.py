"""From the class of a machine to its graph: the outcomes that its steps can be seen to return."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from gendurable.errors import InvalidOutcome
from gendurable.fsm import FSM, Machine
from gendurable.graph.nouns import Edge, Graph, Node, Problem
from gendurable.graph.source import UNKNOWN, Source, argument
from gendurable.job import Job
from gendurable.outcomes import Await, Done, Next, Retry, ScheduleChildren, Stop
from gendurable.signals import Signal

_BY_NAME: dict[str, type[Any]] = {
    one.__name__: one for one in (Next, Retry, Await, ScheduleChildren, Done, Stop)
}
_BY_ID = {id(one): one for one in _BY_NAME.values()}  # what is called may be no key of a dict


def read(cls: type[FSM]) -> Graph:
    """Return the graph of a machine, read from the source of its steps; nothing is run.

    A target may be ``self.x``, ``Class.x`` or a name; either arm of an ``if``, or a local that
    was assigned one of these. Methods that a step calls on ``self`` are read as part of it.

    Raises:
        TypeError: *cls* is no class of a machine.
    """
    machine = getattr(cls, "__machine__", None)
    if not isinstance(machine, Machine):
        raise TypeError(f"{cls!r} is no FSM or Job class with steps")
    return _Reader(machine).graph()


class _Reader:
    """Reads one machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._cls = machine.cls
        self._problems: list[Problem] = []

    def graph(self) -> Graph:
        machine = self._machine
        nodes = tuple(
            Node(name, _first_line(function), name == machine.initial)
            for function, name in machine.targets.items()
        )
        edges = tuple(dict.fromkeys(self._edges()))
        problems = tuple(dict.fromkeys([*self._problems, *self._unreachable(nodes, edges)]))
        return Graph(machine.name, machine.version, nodes, edges, problems)

    def _edges(self) -> Iterator[Edge]:
        machine = self._machine
        for function, name in machine.targets.items():
            if issubclass(self._cls, Job):
                yield from _of_a_job(self._cls, name)
                continue
            yield from self._function(name, function, set())
            retry = machine.steps[name].retry
            if retry is not None:
                yield Edge(name, name, "retry", note=f"up to {retry.attempts} attempts")
        if self._cls.handle not in (FSM.handle, Job.handle):
            yield from self._function(None, self._cls.handle, set())

    def _function(self, step: str | None, function: Any, seen: set[Any]) -> Iterator[Edge]:
        """Yield the edges that *function* makes, and those of the methods that it calls."""
        if function in seen:
            return
        seen.add(function)
        try:
            source = Source(function, self._cls)
        except OSError:
            self._note("unreadable", step, "its source cannot be read")
            return
        for call, called in source.calls():
            outcome = _outcome(call, called)
            if outcome is not None:
                yield from self._outcome(step, source, call, outcome)
            elif self._is_helper(called):
                yield from self._function(step, called, seen)

    def _is_helper(self, called: Any) -> bool:
        """Whether *called* is a method of this class, and neither a step nor the engine's."""
        if not inspect.isfunction(called) or called in self._machine.targets:
            return False
        if called.__module__.startswith(("pydantic", "gendurable.")):
            return False
        return any(vars(base).get(called.__name__) is called for base in self._cls.__mro__)

    def _outcome(
        self, step: str | None, source: Source, call: ast.Call, outcome: type[Any]
    ) -> Iterator[Edge]:
        if outcome is Done:
            yield Edge(step, None, "done")
        elif outcome is Stop:
            yield Edge(step, None, "stop")
        elif outcome is Retry:
            yield Edge(step, step, "retry", delay=_delay(source, argument(call, 0, "delay")))
        elif outcome is Next:
            delay = _delay(source, argument(call, 1, "delay"))
            for target in self._targets(step, source, argument(call, 0, "step")):
                yield Edge(step, target, "next", delay=delay)
        elif outcome is Await:
            names = tuple(self._signals(step, source, argument(call, 0, "names")))
            deadline = source.duration(argument(call, 2, "timeout"))
            for target in self._targets(step, source, argument(call, 1, "then")):
                yield Edge(step, target, "await", signals=names, deadline=deadline)
        else:
            deadline = source.duration(argument(call, 3, "timeout"))
            quorum = argument(call, 2, "quorum")
            note = None if quorum is None else f"until {ast.unparse(quorum)} are done"
            for target in self._targets(step, source, argument(call, 1, "then")):
                yield Edge(
                    step,
                    target,
                    "children",
                    children=tuple(_children(source)),
                    deadline=deadline,
                    note=note,
                )

    def _targets(
        self, step: str | None, source: Source, expression: ast.expr | None
    ) -> Iterator[str]:
        """Yield the names of the steps that *expression* may mean."""
        for choice in [] if expression is None else source.choices(expression):
            text = ast.unparse(choice)
            value = source.value(choice)
            mine = isinstance(choice, ast.Attribute) and source.value(choice.value) is self._cls
            if value is UNKNOWN and not (mine and not self._is_field(choice)):
                self._note("unreadable", step, f"goes to {text}, which only running it would tell")
                continue
            try:
                if value is UNKNOWN:
                    raise InvalidOutcome(f"{text} is no attribute of {self._cls.__qualname__}")
                yield self._machine.resolve(value)
            except InvalidOutcome as error:
                self._note("unknown", step, f"goes to {text}, but {error}")

    def _is_field(self, choice: ast.expr) -> bool:
        return isinstance(choice, ast.Attribute) and choice.attr in self._cls.model_fields

    def _signals(
        self, step: str | None, source: Source, expression: ast.expr | None
    ) -> Iterator[str]:
        """Yield the names of the signals that *expression* may mean."""
        if expression is None:
            return
        for choice in source.choices(expression):
            if isinstance(choice, ast.Tuple | ast.List | ast.Set):
                for element in choice.elts:
                    yield from self._signals(step, source, element)
                continue
            name = signal_of(source.value(choice))
            if name is None:
                text = ast.unparse(choice)
                self._note("unreadable", step, f"awaits {text}, which only running it would tell")
            else:
                yield name

    def _unreachable(self, nodes: Iterable[Node], edges: tuple[Edge, ...]) -> Iterator[Problem]:
        reached = {self._machine.initial} | {
            edge.target for edge in edges if edge.source is None and edge.target is not None
        }
        grown = True
        while grown:
            more = {e.target for e in edges if e.source in reached and e.target is not None}
            grown = not more <= reached
            reached |= more
        unless = (
            ", unless one of the targets that cannot be read leads there"
            if any(problem.kind == "unreadable" for problem in self._problems)
            else ""
        )
        for node in nodes:
            if node.name not in reached:
                where = f"{self._machine.name}.{node.name}"
                yield Problem("unreachable", node.name, f"no step leads to {where}{unless}")

    def _note(self, kind: Any, step: str | None, what: str) -> None:
        where = f"{self._machine.name}.{step or 'handle'}"
        self._problems.append(Problem(kind, step, f"{where} {what}"))


def signal_of(value: Any) -> str | None:
    """Return the name of the signal that *value*, a name or a class, stands for."""
    if isinstance(value, str):
        return value
    if isinstance(value, type) and issubclass(value, Signal):
        return value.signal_name
    return None


def _of_a_job(cls: type[Any], name: str) -> Iterator[Edge]:
    if cls.max_attempts > 1:
        yield Edge(name, name, "retry", note=f"up to {cls.max_attempts} attempts")
    yield Edge(name, None, "done")
    yield Edge(name, None, "stop")


def _outcome(call: ast.Call, called: Any) -> type[Any] | None:
    """Return the class of the outcome that *call* makes; a name imported inside is trusted."""
    found = _BY_ID.get(id(called))
    if found is not None:
        return found
    if called is UNKNOWN and isinstance(call.func, ast.Name):
        return _BY_NAME.get(call.func.id)
    return None


def _delay(source: Source, expression: ast.expr | None) -> str | None:
    text = source.duration(expression)
    return None if text == "0 s" else text


def _children(source: Source) -> Iterator[str]:
    """Yield the names of the machines whose objects the function makes."""
    found: dict[str, None] = {}
    for _, called in source.calls():
        machine = getattr(called, "__machine__", None) if isinstance(called, type) else None
        if isinstance(machine, Machine):
            found[machine.name] = None
    yield from found


def _first_line(function: Any) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]
