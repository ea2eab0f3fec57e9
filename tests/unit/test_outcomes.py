"""What a step can answer: how it is normalised, and what is refused at birth."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

import gendurable as gd
from gendurable.outcomes import OUTCOMES, Snoozed


class Paid(gd.Signal):
    amount: int


class Child(gd.Job):
    number: int

    def perform(self, ctx):
        return None


NONSENSE = [
    (gd.Next, {"step": 7}, "Next"),
    (gd.Next, {"step": ""}, "Next"),
    (gd.Next, {"step": "a", "delay": -1}, "delay"),
    (gd.Next, {"step": "a", "delay": math.nan}, "delay"),
    (gd.Next, {"step": "a", "weight": 0}, "weight"),
    (gd.Next, {"step": "a", "weight": True}, "weight"),
    (gd.Next, {"step": "a", "rate_limit": ""}, "rate_limit"),
    (gd.Next, {"step": "a", "concurrency_key": "a\0"}, "concurrency_key"),
    (gd.Next, {"step": "a", "priority": 40_000}, "priority"),
    (gd.Next, {"step": "a", "queue": None}, "queue"),
    (gd.Next, {"step": "a", "run_ahead": 3}, "run_ahead"),
    (gd.Retry, {"delay": timedelta(days=-1)}, "Retry"),
    (gd.Retry, {"delay": None}, "Retry"),
    (Snoozed, {"delay": math.inf}, "Snooze"),
    (gd.Await, {"names": [], "then": "a"}, "empty"),
    (gd.Await, {"names": [7], "then": "a"}, "names"),
    (gd.Await, {"names": 7, "then": "a"}, "names"),
    (gd.Await, {"names": "", "then": "a"}, "names"),
    (gd.Await, {"names": gd.Signal, "then": "a"}, "names"),
    (gd.Await, {"names": "a", "then": None}, "then"),
    (gd.Await, {"names": "a", "then": "b", "timeout": -1}, "timeout"),
    (gd.ScheduleChildren, {"children": 7, "then": "a"}, "children"),
    (gd.ScheduleChildren, {"children": [7], "then": "a"}, "children"),
    (gd.ScheduleChildren, {"children": Child(number=1), "then": "a"}, r"list, \[Child\(number=1"),
    (gd.ScheduleChildren, {"children": gd.Spawn(Child(number=1)), "then": "a"}, "give a list"),
    (gd.Await, {"names": Paid(amount=1), "then": "a"}, "name its class, Paid"),
    (gd.ScheduleChildren, {"children": [], "then": "a", "quorum": 0}, "quorum"),
    (gd.ScheduleChildren, {"children": [], "then": "a", "timeout": "1"}, "timeout"),
    (gd.Stop, {"reason": None}, "Stop"),
]


@pytest.mark.parametrize(("outcome", "arguments", "named"), NONSENSE)
def test_nonsense_is_refused_at_birth(outcome, arguments, named):
    """A wrong outcome is an error where it is built, naming the outcome or its argument."""
    with pytest.raises(gd.InvalidOutcome, match=named):
        outcome(**arguments)


async def _coroutine():
    """What an async step returns when it is called."""


@pytest.mark.parametrize("called", [gd.Done, _coroutine])
def test_a_step_is_named_and_not_called(called):
    """What a step returned is not the step."""
    with pytest.raises(gd.InvalidOutcome, match=r"do not call it, as in Next\(self\.second\)"):
        gd.Next(called())
    with pytest.raises(gd.InvalidOutcome, match=r"Await\(\.\.\., then=self\.second\)"):
        gd.Await("a", then=called())


def test_a_step_is_no_outcome():
    """Whoever returns a step is told how to go there, and is spared the state."""

    class Order(gd.FSM):
        secret: str = "a" * 1000

        @gd.step(initial=True)
        def first(self, ctx):
            return self.second

        @gd.step
        def second(self, ctx):
            return gd.Done()

    mend = Order.__machine__.mend(Order().second)

    assert mend.endswith("Order.second, a step; return Next(self.second) to go there")
    assert "one of Next" in Order.__machine__.mend("second")
    assert len(Order.__machine__.mend(Order())) < 200


def test_delays_are_kept_in_seconds():
    """Timedeltas and numbers come out as float seconds."""
    assert gd.Next("a", delay=timedelta(minutes=1)).delay == 60.0
    assert gd.Retry(2).delay == 2.0
    assert gd.Await("a", "b", timeout=timedelta(hours=1)).timeout == 3600.0


def test_next_keeps_what_it_does_not_name():
    """KEEP is not None: a key of None is taken off, a key that is kept is not mentioned."""
    kept, dropped = gd.Next("a"), gd.Next("a", concurrency_key=None)

    assert (kept.concurrency_key, kept.priority, kept.queue) == (gd.KEEP,) * 3
    assert dropped.concurrency_key is None
    assert repr(gd.KEEP) == "KEEP"


def test_keys_of_outcomes_may_be_tuples():
    """A tuple is joined, as at an insert."""
    outcome = gd.Next("a", concurrency_key=("stripe", 7), rate_limit=("bank", "x"))

    assert (outcome.concurrency_key, outcome.rate_limit) == ("stripe:7", "bank:x")


def test_await_takes_names_types_and_both():
    """Signals are awaited by name or class, one or several, each once."""
    assert gd.Await(Paid, "a").names == ("Paid",)
    assert gd.Await("Paid", "a").names == ("Paid",)
    assert gd.Await([Paid, "cancel", "Paid"], "a").names == ("Paid", "cancel")
    assert sorted(gd.Await({"b", "a"}, "c").names) == ["a", "b"]


def test_children_become_spawns():
    """Bare objects and Spawns may be mixed, and come from any iterable."""
    spawn = gd.Spawn(Child(number=2), priority=5)

    outcome = gd.ScheduleChildren((c for c in (Child(number=1), spawn)), then="a")

    assert outcome.children == (gd.Spawn(Child(number=1)), spawn)


def test_stop_describes_an_exception():
    """An exception as the reason becomes "<type>: <message>"."""
    assert gd.Stop(OSError("no route")).reason == "OSError: no route"
    assert gd.Stop("enough").reason == "enough"


def test_stop_describes_an_exception_that_cannot_describe_itself():
    """Its message is not needed to fail."""

    class Mute(Exception):
        def __str__(self):
            raise KeyError

    assert gd.Stop(Mute()).reason == "Mute: (its message cannot be read: KeyError)"


def test_outcomes_are_values():
    """They compare by content, do not change, and each has its kind."""
    assert gd.Next("a", delay=1) == gd.Next("a", delay=timedelta(seconds=1))
    with pytest.raises(AttributeError):
        gd.Done().result = 3
    kinds = [outcome.kind for outcome in OUTCOMES]
    assert kinds == ["next", "retry", "await", "children", "done", "stop", "snooze"]
