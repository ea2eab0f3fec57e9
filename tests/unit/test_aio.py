"""``durable.aio`` and the methods that it calls: the same names, parameters and defaults."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import get_overloads

import pytest

import gendurable as gd

#: A worker has threads of its own, and the rest the engine asks of its binding.
NOT_CALLED = {"worker", "open_session", "open_async_session", "identity"}
#: What the parameters and answers of a coroutine are instead.
INSTEAD = {"Caller": "AsyncCaller", "Handle": "AsyncHandle"}


def methods(cls: type) -> dict[str, Callable[..., object]]:
    """Return the public methods of a class, by name."""
    found = inspect.getmembers(cls, inspect.isfunction)
    return {name: method for name, method in found if not name.startswith("_")}


def signature(method: Callable[..., object], instead: dict[str, str]) -> inspect.Signature:
    """Return the signature of a method, with other words in its annotations."""

    def words(annotation: str) -> str:
        return "".join(
            instead.get(word, word) for word in _pieces(annotation.replace("typing.", ""))
        )

    found = inspect.signature(method)
    parameters = [
        one if one.name == "self" else one.replace(annotation=words(one.annotation))
        for one in found.parameters.values()
    ]
    return found.replace(parameters=parameters, return_annotation=words(found.return_annotation))


def _pieces(text: str) -> list[str]:
    """Split a text into words and what stands between them."""
    pieces = [""]
    for letter in text:
        if letter.isidentifier() != pieces[-1][-1:].isidentifier():
            pieces.append("")
        pieces[-1] += letter
    return pieces


PAIRS = [(gd.Durable, gd.AsyncDurable), (gd.Handle, gd.AsyncHandle)]
COROUTINES = [
    pytest.param(methods(sync)[name], method, id=f"{asynchronous.__name__}.{name}")
    for sync, asynchronous in PAIRS
    for name, method in methods(asynchronous).items()
]


def test_no_method_is_forgotten():
    """Every method that an application calls, but for the worker, has its coroutine."""
    assert set(methods(gd.AsyncDurable)) == set(methods(gd.Durable)) - NOT_CALLED
    assert set(methods(gd.AsyncHandle)) == set(methods(gd.Handle))


@pytest.mark.parametrize(("sync", "coroutine"), COROUTINES)
def test_the_signature_is_the_same(sync, coroutine):
    """Parameters, their kinds and defaults, overloads and answers are those of the method."""
    assert inspect.iscoroutinefunction(coroutine)
    assert signature(coroutine, {}) == signature(sync, INSTEAD)
    assert [signature(one, {}) for one in get_overloads(coroutine)] == [
        signature(one, INSTEAD) for one in get_overloads(sync)
    ]


@pytest.mark.parametrize(("sync", "coroutine"), COROUTINES)
def test_the_docstring_leads_to_the_other(sync, coroutine):
    """Whoever reads of a coroutine is told where the whole text is."""
    assert f"``Durable.{coroutine.__name__}``" in inspect.getdoc(coroutine)
