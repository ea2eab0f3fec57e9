"""From a class to a machine: steps, names and settings, and the mistakes that a class can make."""

from __future__ import annotations

import functools
import inspect
import threading
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

import gendurable as gd


class TestSteps:
    def test_the_marked_methods_are_the_steps(self):
        """They are found by name and alias, in order of definition; the initial one is marked."""

        class Order(gd.FSM):
            number: int

            @gd.step
            def ship(self, ctx):
                return gd.Done()

            @gd.step(initial=True, name="begin", aliases=("open", "start"))
            async def start(self, ctx):
                return gd.Next(self.ship)

        machine = Order.__machine__
        assert list(machine.steps) == ["ship", "begin", "open", "start"]
        assert machine.steps["open"] is machine.steps["begin"]
        assert machine.initial == "begin"
        assert (machine.steps["ship"].is_async, machine.steps["begin"].is_async) == (False, True)
        assert machine.steps["ship"].func(Order(number=1), None) == gd.Done()

    def test_the_only_step_is_the_initial_one(self):
        """Nothing needs to be marked where there is no choice."""

        class Order(gd.FSM):
            @gd.step
            def anything(self, ctx):
                return gd.Done()

        assert Order.__machine__.initial == "anything"

    def test_start_is_the_initial_one(self):
        """Without a mark, the step that is called start comes first."""

        class Order(gd.FSM):
            @gd.step
            def ship(self, ctx):
                return gd.Done()

            @gd.step
            def start(self, ctx):
                return gd.Done()

        assert Order.__machine__.initial == "start"

    def test_a_step_settles_what_the_class_leaves_open(self):
        """retry and step_timeout of a step go before those of its class."""
        backoff = gd.Backoff(attempts=2)

        class Order(gd.FSM, retry=gd.Backoff(attempts=9), step_timeout=timedelta(minutes=1)):
            @gd.step(retry=backoff, step_timeout=5)
            def start(self, ctx):
                return gd.Done()

            @gd.step
            def ship(self, ctx):
                return gd.Done()

        steps = Order.__machine__.steps
        assert (steps["start"].retry, steps["start"].step_timeout) == (backoff, 5.0)
        assert steps["ship"].retry == gd.Backoff(attempts=9)
        assert steps["ship"].step_timeout == 60.0

    def test_a_decorator_may_stand_above_step(self):
        """What functools.wraps copies includes the mark."""

        def loud(method):
            @functools.wraps(method)
            def wrapper(self, ctx):
                return method(self, ctx)

            return wrapper

        class Order(gd.FSM):
            @loud
            @gd.step
            def start(self, ctx):
                return gd.Done()

        assert Order.__machine__.resolve(Order().start) == "start"


class TestResolve:
    class Order(gd.FSM, name="order"):
        @gd.step(initial=True)
        def start(self, ctx):
            return gd.Done()

        @gd.step(name="ship", aliases=("book",))
        def ship_it(self, ctx):
            return gd.Done()

        def helper(self, ctx):
            return None

    class Other(gd.FSM):
        @gd.step
        def start(self, ctx):
            return gd.Done()

    def test_bound_methods_functions_names_and_aliases(self):
        """All of them lead to the step's present name."""
        resolve = self.Order.__machine__.resolve

        targets = (self.Order().ship_it, self.Order.ship_it, "ship", "book")
        assert [resolve(target) for target in targets] == ["ship"] * 4

    @pytest.mark.parametrize("target", ["ship_it", "shpi", Order().helper, Other().start, print])
    def test_refuses_what_is_no_step_of_this_machine(self, target):
        """The complaint lists the steps that there are."""
        with pytest.raises(gd.InvalidOutcome, match="no step of order; its steps are start, ship"):
            self.Order.__machine__.resolve(target)

    def test_says_how_a_method_becomes_a_step(self):
        """Of a method of this class only."""
        resolve = self.Order.__machine__.resolve
        with pytest.raises(gd.InvalidOutcome, match="start, ship; to make it one, mark it with @"):
            resolve(self.Order().helper)
        with pytest.raises(gd.InvalidOutcome, match="start, ship$"):
            resolve(self.Other().start)


class TestKeywords:
    def test_have_defaults(self):
        """Name and queue, version and budget of a class that says nothing."""

        class Order(gd.FSM):
            @gd.step
            def start(self, ctx):
                return gd.Done()

        machine = Order.__machine__
        assert machine.name == Order.__qualname__
        assert (machine.version, machine.queue, machine.history) == (1, "default", "errors")
        assert (machine.retry, machine.run_ahead, machine.step_timeout) == (None, None, None)
        assert machine.max_crashes == 10

    def test_are_kept(self):
        """What the class says is what the machine has, durations in seconds."""

        class Order(
            gd.FSM,
            name="order",
            version=3,
            queue="orders",
            run_ahead=timedelta(seconds=1),
            history="all",
            step_timeout=timedelta(minutes=1),
            max_crashes=None,
        ):
            @gd.step
            def start(self, ctx):
                return gd.Done()

        machine = Order.__machine__
        assert (machine.name, machine.version, machine.queue) == ("order", 3, "orders")
        assert (machine.run_ahead, machine.history) == (timedelta(seconds=1), "all")
        assert (machine.step_timeout, machine.max_crashes) == (60.0, None)

    def test_are_inherited_but_for_name_and_version(self):
        """A base class may set the queue of a whole family."""

        class Base(gd.FSM, abstract=True, queue="orders", max_crashes=3):
            number: int = 0

            def handle(self, error, ctx):
                return gd.Retry(5)

            @gd.step
            def start(self, ctx):
                return gd.Done()

        class Order(Base, version=2):
            pass

        class Urgent(Order, queue="urgent"):
            @gd.step
            def ship(self, ctx):
                return gd.Done()

        order, urgent = Order.__machine__, Urgent.__machine__
        assert (order.queue, order.max_crashes, order.version) == ("orders", 3, 2)
        assert (urgent.queue, urgent.max_crashes, urgent.version) == ("urgent", 3, 1)
        assert (list(order.steps), list(urgent.steps)) == (["start"], ["start", "ship"])
        assert order.name.endswith("Order")
        assert Urgent(number=1).handle(OSError(), None) == gd.Retry(5)
        assert Base.__machine__ is None

    def test_an_inherited_step_may_be_overridden(self):
        """The nearest definition is the step; the base's method is no target any more."""

        class Base(gd.FSM, abstract=True):
            @gd.step
            def start(self, ctx):
                return gd.Done("base")

        class Order(Base):
            @gd.step
            def start(self, ctx):
                return gd.Done("order")

        machine = Order.__machine__
        assert machine.steps["start"].func(Order(), None) == gd.Done("order")
        with pytest.raises(gd.InvalidOutcome):
            machine.resolve(Base.start)


def test_handle_gives_up_by_default():
    """An error that nobody handles ends the instance, with that error as the reason."""

    class Order(gd.FSM):
        @gd.step
        def start(self, ctx):
            return gd.Done()

    assert Order().handle(OSError("no route"), None) == gd.Stop("OSError: no route")


def no_steps():
    class Order(gd.FSM):
        number: int


def two_initial():
    class Order(gd.FSM):
        @gd.step(initial=True)
        def one(self, ctx):
            return gd.Done()

        @gd.step(initial=True)
        def two(self, ctx):
            return gd.Done()


def no_initial():
    class Order(gd.FSM):
        @gd.step
        def one(self, ctx):
            return gd.Done()

        @gd.step
        def two(self, ctx):
            return gd.Done()


def perform_beside_steps():
    class Order(gd.FSM):
        @gd.step
        def start(self, ctx):
            return gd.Done()

        def perform(self, ctx):
            return None


def one_name_twice():
    class Order(gd.FSM):
        @gd.step(initial=True)
        def start(self, ctx):
            return gd.Done()

        @gd.step(aliases=["start"])
        def ship(self, ctx):
            return gd.Done()


def no_context():
    class Order(gd.FSM):
        @gd.step
        def start(self):
            return gd.Done()


def too_much_context():
    class Order(gd.FSM):
        @gd.step
        def start(self, ctx, more):
            return gd.Done()


def generator():
    class Order(gd.FSM):
        @gd.step
        def start(self, ctx):
            yield gd.Done()


def returns_nothing():
    class Order(gd.FSM):
        @gd.step
        def start(self, ctx) -> None:
            return None


def static_step():
    class Order(gd.FSM):
        @gd.step
        @staticmethod
        def start(self, ctx):
            return gd.Done()


def step_made_static():
    class Order(gd.FSM):
        @staticmethod
        @gd.step
        def start(ctx):
            return gd.Done()


def hidden_step():
    class Base(gd.FSM, abstract=True):
        @gd.step
        def start(self, ctx):
            return gd.Done()

    class Order(Base):
        def start(self, ctx):
            return gd.Done()


def field_handle():
    class Order(gd.FSM):
        handle: int

        @gd.step
        def start(self, ctx):
            return gd.Done()


def field_step():
    class Order(gd.FSM):
        step: int = 0


def private_attributes():
    class Order(gd.FSM):
        _seen: int = 0
        _last: str

        @gd.step
        def start(self, ctx):
            return gd.Done()


def field_that_is_a_step():
    class Order(gd.FSM):
        ship: int

        @gd.step
        def ship(self, ctx):
            return gd.Done()


def field_that_no_json_holds():
    class Order(gd.FSM):
        number: int
        locks: list[threading.Thread]

        @gd.step
        def start(self, ctx):
            return gd.Done()


def private_attribute_of_a_base():
    class Base(BaseModel):
        _seen: int = 0

    class Order(Base, gd.FSM, abstract=True):
        pass


def private_attribute_of_a_job():
    class Order(gd.Job):
        _seen = 0

        def perform(self, ctx):
            return None


def bad_handle():
    class Order(gd.FSM):
        @gd.step
        def start(self, ctx):
            return gd.Done()

        def handle(self, error):
            return gd.Done()


def async_handle():
    class Order(gd.FSM):
        @gd.step
        async def start(self, ctx):
            return gd.Done()

        async def handle(self, error, ctx):
            return gd.Done()


def declared(**keywords: Any) -> Any:
    def declare() -> None:
        class Order(gd.FSM, **keywords):
            @gd.step
            def start(self, ctx):
                return gd.Done()

    return declare


def marked(**keywords: Any) -> Any:
    def declare() -> None:
        class Order(gd.FSM):
            @gd.step(**keywords)
            def start(self, ctx):
                return gd.Done()

    return declare


MISTAKES = [
    (no_steps, "Order has no steps; .* abstract=True"),
    (two_initial, r"several initial steps \(one, two\)"),
    (no_initial, "Mark one of one, two with initial=True"),
    (perform_beside_steps, r"perform.*gendurable\.Job"),
    (one_name_twice, "two steps that are called 'start'"),
    (no_context, r"def start\(self, ctx\)"),
    (too_much_context, r"def start\(self, ctx\)"),
    (generator, "is a generator"),
    (returns_nothing, "Order.start returns None; a step must return an outcome"),
    (static_step, "Order.start: a step is no staticmethod"),
    (step_made_static, "Order.start: a step is no staticmethod"),
    (hidden_step, "Order.start hides a step"),
    (field_handle, "Order.handle cannot be a field"),
    (field_step, "Order.step cannot be a field"),
    (private_attributes, r"Order\._seen, .*Order\._last would be lost .* a field, .* a ClassVar"),
    (private_attribute_of_a_base, r"Order\._seen would be lost"),
    (private_attribute_of_a_job, r"Order\._seen would be lost"),
    (field_that_is_a_step, "Order.ship is both a field and a step"),
    (field_that_no_json_holds, r"Order.locks: list\[threading.Thread\] cannot be read back .* id"),
    (bad_handle, r"Order.handle must be def handle\(self, error, ctx\)"),
    (async_handle, r"Order.handle must be def handle\(self, error, ctx\)"),
    (declared(name="x" * 513), "Order: name"),
    (declared(version=0), "Order: version=0"),
    (declared(queue=""), "Order: queue"),
    (declared(quue="x"), "no class keyword quue"),
    (declared(retry=3), r"Order: retry=3 must be a Backoff"),
    (declared(step_timeout=0), "Order: step_timeout=0"),
    (declared(step_timeout=-1), "Order: step_timeout=-1"),
    (declared(max_crashes=0), "Order: max_crashes=0"),
    (declared(history="some"), "Order: history='some'"),
    (declared(run_ahead=True), "Order: run_ahead=True"),
    (declared(run_ahead=-1), "Order: run_ahead=-1"),
    (declared(run_ahead=timedelta(-1)), "Order: run_ahead"),
    (marked(name=""), r"step\(name\)"),
    (marked(aliases=[""]), r"step\(aliases\)"),
    (marked(retry=3), r"step\(retry\)=3"),
    (marked(step_timeout=0), r"step\(step_timeout\)=0"),
]


@pytest.mark.parametrize(("declare", "mend"), MISTAKES)
def test_a_mistake_is_an_error_of_the_class(declare, mend):
    """The message names the class or the argument, and says how to mend it."""
    with pytest.raises(TypeError, match=mend):
        declare()


def test_what_is_private_and_no_state_is_left_alone():
    """Constants, methods and cached properties may begin with an underscore."""

    class Order(gd.FSM):
        _limit: ClassVar[int] = 3

        @functools.cached_property
        def _half(self):
            return self._limit / 2

        def _helper(self):
            return self._half

        @gd.step
        def start(self, ctx):
            return gd.Done(self._helper())

    assert Order().start(None) == gd.Done(1.5)


def test_a_class_that_failed_is_not_in_the_catalogue():
    """The next attempt to define it starts afresh."""
    with pytest.raises(TypeError):
        declared(name="once", version=0)()
    declared(name="once")()


def test_class_keywords_of_pydantic_are_taken_too():
    """They configure the model, as with any pydantic class."""

    class Order(gd.FSM, frozen=True):
        number: int

        @gd.step
        def start(self, ctx):
            return gd.Done()

    with pytest.raises(ValueError, match="frozen"):
        Order(number=1).number = 2


def test_the_decorated_method_stays_what_it_was():
    """A step can be called and inspected like any method."""

    class Order(gd.FSM):
        @gd.step
        def start(self, ctx):
            """Begin."""
            return gd.Done(ctx)

    assert Order().start(7) == gd.Done(7)
    assert inspect.getdoc(Order.start) == "Begin."
