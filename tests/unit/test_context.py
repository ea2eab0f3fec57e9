"""The context of a step: what it passes on, what it opens on first touch, what its log carries."""

from __future__ import annotations

import logging

import pytest

import gendurable as gd
from gendurable.context import PAGE


class Scope:
    """A stand-in for the engine that counts what it is asked for."""

    durable = "the binding"
    stopping = False
    idempotency_key = "k"

    def __init__(self, family: int = 0) -> None:
        self.asked: list[str] = []
        self.family = [child(n) for n in range(1, family + 1)]

    def session(self) -> str:
        self.asked.append("session")
        return "a session"

    def async_session(self) -> str:
        self.asked.append("async_session")
        return "an async session"

    def children(self) -> gd.Children:
        self.asked.append("children")
        return gd.Children(self.fetch)

    def fetch(self, after: int, limit: int) -> list[gd.Child]:
        self.asked.append(f"after {after}")
        return [c for c in self.family if c.id > after][:limit]

    def heartbeat(self) -> None:
        raise gd.LeaseLost("gone")


def child(number: int) -> gd.Child:
    status = gd.Status.DONE if number % 2 else gd.Status.FAILED
    return gd.Child(number, "Mail", "perform", status, {}, number, None, 1)


def context(scope: Scope) -> gd.Context:
    return gd.Context(
        id=7,
        fsm="Checkout",
        fsm_version=1,
        step="ship",
        attempt=2,
        state=None,
        correlation_key=None,
        parent_id=None,
        headers={},
        awaited=gd.Signals(),
        signals=gd.Signals(),
        timed_out=False,
        scope=scope,
    )


def test_nothing_is_opened_before_it_is_touched():
    """A step that touches neither session nor children costs neither."""
    scope = Scope()
    ctx = context(scope)
    assert scope.asked == []

    assert (ctx.session, ctx.async_session) == ("a session", "an async session")
    assert (ctx.durable, ctx.stopping) == ("the binding", False)
    assert scope.asked == ["session", "async_session"]


def test_heartbeat_says_that_the_lease_is_lost():
    """What the engine raises reaches the step."""
    with pytest.raises(gd.LeaseLost):
        context(Scope()).heartbeat()


def test_records_of_the_log_name_the_step(caplog):
    """id, fsm, step and attempt are attributes of each record, beside what the author adds."""
    ctx = context(Scope())

    with caplog.at_level(logging.INFO, "gendurable.step"):
        ctx.log.info("hello", extra={"colour": "red"})

    record = caplog.records[0]
    assert (record.id, record.fsm, record.step, record.attempt) == (7, "Checkout", "ship", 2)
    assert record.colour == "red"


class TestChildren:
    def test_are_read_once(self):
        """The first touch reads them, the following ones do not."""
        scope = Scope(family=3)
        ctx = context(scope)

        assert [c.id for c in ctx.children] == [1, 2, 3]
        assert len(ctx.children) == 3
        assert ctx.children[-1].result == 3
        assert ctx.children.count("done") == ctx.children.count(gd.Status.DONE) == 2
        assert scope.asked == ["children", "after 0"]

    def test_are_streamed_page_by_page(self):
        """A family of any size passes through memory a page at a time."""
        scope = Scope(family=PAGE + 1)
        stream = context(scope).children.stream()

        assert next(stream).id == 1
        assert scope.asked == ["children", "after 0"]
        assert sum(1 for _ in stream) == PAGE
        assert scope.asked == ["children", "after 0", f"after {PAGE}"]

    def test_may_be_none(self):
        """An instance without children has an empty family."""
        children = context(Scope()).children

        assert not children
        assert children.count("done") == 0
