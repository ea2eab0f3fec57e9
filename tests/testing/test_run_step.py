"""One step runs without a database, and its outcome is judged as the engine judges it."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.orm import Session

import gendurable as gd
from gendurable.testing import run_step
from tests.testing.machines import Order, Paid


class Probe(gd.FSM):
    """Answers with whatever the test wants."""

    secret: float = 0.0

    @gd.step(initial=True)
    def answer(self, ctx: gd.Context) -> gd.Outcome:
        """Return what the test has left in the headers, and what cannot be stored."""
        if ctx.headers.get("break"):
            self.secret = "no number"  # type: ignore[assignment]
        found: gd.Outcome = ctx.durable(ctx)
        return found

    @gd.step
    async def later(self, ctx: gd.Context) -> gd.Outcome:
        """Touch the async session."""
        return gd.Done(ctx.async_session is not None)


class Greet(gd.Job):
    """A job has one step."""

    name: str

    def perform(self, ctx: gd.Context) -> str:
        """Greet."""
        return f"hello {self.name}"


def test_returns_the_outcome_of_the_step():
    """The outcome is the value that the step returned."""
    outcome = run_step(Order.start, Order(number=1))

    assert isinstance(outcome, gd.Await)
    assert (outcome.names, outcome.timeout) == (("Paid",), 3600)


def test_gives_the_step_what_it_awaited_and_keeps_its_changes():
    """The step sees the signals, and what it sets is set in the object of the test."""
    order = Order(number=1)

    outcome = run_step(Order.ship, order, awaited=[Paid(amount=5)])

    assert outcome == gd.Done({"paid": 5})
    assert order.paid == 5


def test_takes_a_bound_method_or_a_name():
    """The step may be named in the ways in which steps name each other."""
    order = Order(number=1)

    assert run_step(order.ship, timed_out=True) == gd.Stop("payment never came")
    assert run_step("ship", order) == gd.Stop("payment never came")


def test_takes_signals_by_name_with_and_without_payload():
    """Signals need no class; those not awaited are in the inbox only."""

    def look(ctx):
        return gd.Done([[s.name, s.payload] for s in ctx.signals] + [len(ctx.awaited)])

    outcome = run_step(
        Probe.answer, Probe(), awaited=["a", ("b", {"x": 1})], signals=["c"], durable=look
    )

    assert outcome == gd.Done([["a", None], ["b", {"x": 1}], ["c", None], 2])


def test_gives_the_step_its_children():
    """The children are those of the test."""
    child = gd.Child(7, "Order", "ship", gd.Status.DONE, {}, 5, None, 1)

    outcome = run_step(
        Probe.answer,
        Probe(),
        children=[child],
        durable=lambda ctx: gd.Done([len(ctx.children), ctx.children.count("done")]),
    )

    assert outcome == gd.Done([1, 1])


def test_refuses_children_that_have_not_run():
    """A step sees rows of its children, not the objects that were scheduled."""
    for wrong in (Greet(name="Ada"), 7):
        with pytest.raises(gd.InvalidInput, match=r"is no gd\.Child; .*gd\.Child\(id=7"):
            run_step(Probe.answer, Probe(), children=[wrong], durable=len)


def test_runs_a_job():
    """The return value of a job is its result."""
    assert run_step(Greet.perform, Greet(name="Ada")) == gd.Done("hello Ada")


def test_runs_an_async_step():
    """An async step needs no loop in the test."""
    assert run_step(Probe.later, Probe(), session=object()) == gd.Done(True)  # type: ignore[arg-type]


def test_runs_an_async_step_inside_a_running_loop():
    """A test that is a coroutine itself may call it too."""

    async def test():
        return run_step(Probe.later, Probe(), session=object())  # type: ignore[arg-type]

    assert asyncio.run(test()) == gd.Done(True)


def test_gives_the_session_of_the_test():
    """ctx.session is what the test passed; without it the message says what to do."""
    session = Session()

    assert run_step(
        Probe.answer, Probe(), session=session, durable=lambda ctx: gd.Done(ctx.session is session)
    ) == gd.Done(True)
    with pytest.raises(RuntimeError, match="pass one as session="):
        run_step(Probe.answer, Probe(), durable=lambda ctx: ctx.session)


def test_raises_what_the_step_raises():
    """An error of the step is the test's to expect; handle is not called."""
    with pytest.raises(ZeroDivisionError):
        run_step(Probe.answer, Probe(), durable=lambda ctx: 1 / 0)


@pytest.mark.parametrize("answer", [None, "done", gd.Next("nowhere"), gd.Await("x", "nowhere")])
def test_refuses_an_outcome_that_cannot_be_carried_out(answer):
    """What the engine would refuse, the test is told."""
    with pytest.raises(gd.InvalidOutcome):
        run_step(Probe.answer, Probe(), durable=lambda ctx: answer)


def test_refuses_what_cannot_be_stored():
    """A state or result that would not come back as it is fails the test."""
    with pytest.raises(ValueError, match="secret"):
        run_step(Probe.answer, Probe(), headers={"break": True}, durable=lambda ctx: gd.Done())
    with pytest.raises(ValueError, match="result"):
        run_step(Probe.answer, Probe(), durable=lambda ctx: gd.Done(object()))


def test_needs_a_state():
    """An unbound step without an object is refused."""
    with pytest.raises(gd.InvalidInput, match="no FSM or Job"):
        run_step(Order.ship)
