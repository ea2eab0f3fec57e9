"""The source of one function, and what the names in it mean."""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from collections.abc import Iterator
from datetime import timedelta
from types import ModuleType
from typing import Any, Final

#: What a name means that cannot be told without running the code.
UNKNOWN: Final = object()


class Source:
    """A function of a class, as a syntax tree whose names can be looked up.

    Raises:
        OSError: its source is not to be had.
    """

    def __init__(self, function: Any, cls: type[Any]) -> None:
        self.cls = cls
        self.function = inspect.unwrap(function)
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(self.function)))
        except (SyntaxError, TypeError) as error:  # a lambda in the middle of an expression
            raise OSError(f"the source of {function!r} cannot be read") from error
        self.tree = tree.body[0]
        self.me = next(iter(inspect.signature(self.function).parameters), None)
        closure = inspect.getclosurevars(self.function)
        self._names = {**vars(builtins), **self.function.__globals__, **closure.nonlocals}
        self._local = _assignments(self.tree)

    def calls(self) -> Iterator[tuple[ast.Call, Any]]:
        """Yield every call in the function, in the order of the text, with what is called."""
        calls = [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]
        for node in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
            yield node, self.value(node.func)

    def value(self, expression: ast.expr) -> Any:
        """Return what *expression* means, ``UNKNOWN`` if only running the code would tell."""
        if isinstance(expression, ast.Constant):
            return expression.value
        if isinstance(expression, ast.Name):
            if expression.id == self.me:
                return self.cls
            return UNKNOWN if expression.id in self._local else self._global(expression.id)
        if isinstance(expression, ast.Attribute):
            return _attribute(self.value(expression.value), expression.attr)
        return UNKNOWN

    def choices(self, expression: ast.expr, seen: frozenset[str] = frozenset()) -> list[ast.expr]:
        """Return the expressions that *expression* may stand for: both arms, each assignment."""
        if isinstance(expression, ast.IfExp):
            return self.choices(expression.body, seen) + self.choices(expression.orelse, seen)
        if isinstance(expression, ast.Name) and expression.id not in seen:
            assigned = self._local.get(expression.id)
            if assigned:
                below = seen | {expression.id}
                return [part for one in assigned for part in self.choices(one, below)]
        return [expression]

    def duration(self, expression: ast.expr | None) -> str | None:
        """Return a duration as text: "1 h" where it can be told, else as the code says it."""
        if expression is None:
            return None
        value = self.value(expression)
        if isinstance(expression, ast.Call) and self.value(expression.func) is timedelta:
            value = _timedelta(expression)
        if value is None:
            return None
        if isinstance(value, timedelta):
            value = value.total_seconds()
        if isinstance(value, int | float):
            return spoken(value)
        text = ast.unparse(expression)
        return text if len(text) <= 24 else "a while"

    def _global(self, name: str) -> Any:
        return self._names.get(name, UNKNOWN)


def argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    """Return the argument of *call* that stands at *position* or bears *name*."""
    if position < len(call.args):
        return call.args[position]
    return next((one.value for one in call.keywords if one.arg == name), None)


def spoken(seconds: float) -> str:
    """Return a number of seconds as people say it: "90 s", "1 h", "30 d"."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def _attribute(base: Any, name: str) -> Any:
    """Return an attribute of a module or a class; those of objects may run code, and are not."""
    if not isinstance(base, type | ModuleType):
        return UNKNOWN
    try:
        return getattr(base, name, UNKNOWN)
    except Exception:  # a descriptor of somebody's
        return UNKNOWN


def _timedelta(call: ast.Call) -> Any:
    values = {one.arg: one.value for one in call.keywords if one.arg is not None}
    if call.args or not all(isinstance(one, ast.Constant) for one in values.values()):
        return UNKNOWN
    try:
        return timedelta(**{name: ast.literal_eval(one) for name, one in values.items()})
    except (TypeError, OverflowError):
        return UNKNOWN


def _assignments(tree: ast.AST) -> dict[str, list[ast.expr]]:
    """Return the expressions assigned to each local name; what is not plain gives none."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(node.value)
        elif isinstance(node, ast.arg):
            found.setdefault(node.arg, [])
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.setdefault(node.id, [])
    return found
