"""Jobs: machines of one step, as classes and as functions."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import ClassVar

import pytest
from pydantic import ValidationError

import gendurable as gd
from gendurable.outcomes import Snoozed
from gendurable.state import dump_state, load_state


def context(attempt: int = 0) -> gd.Context:
    return SimpleNamespace(attempt=attempt)  # type: ignore[return-value]


@gd.job(queue="mail", max_attempts=3)
def send_mail(ctx: gd.Context, to: str, body: str = "hello") -> str:
    """Send a mail."""
    return f"{to}: {body} ({ctx.attempt})"


@gd.job
async def resize(path: str, *, width: int) -> list[str]:
    return [path] * width


class TestClass:
    def test_its_one_step_makes_a_result_of_what_perform_returns(self):
        """perform returns a value, the machine's step an outcome."""

        class Report(gd.Job, queue="reports"):
            number: int

            def perform(self, ctx):
                return {"number": self.number}

        machine = Report.__machine__
        step = machine.steps["perform"]
        assert (list(machine.steps), machine.initial, machine.queue) == (
            ["perform"],
            "perform",
            "reports",
        )
        assert step.func(Report(number=3), context()) == gd.Done({"number": 3})
        assert machine.resolve(Report(number=3).perform) == "perform"

    def test_perform_may_be_async(self):
        """Then so is the step."""

        class Report(gd.Job):
            async def perform(self, ctx):
                return 3

        step = Report.__machine__.steps["perform"]
        assert step.is_async
        assert asyncio.run(step.func(Report(), context())) == gd.Done(3)

    def test_an_outcome_is_no_result(self):
        """A job that returns one meant to be an FSM."""

        class Report(gd.Job):
            def perform(self, ctx):
                return gd.Retry(3)

        with pytest.raises(gd.InvalidOutcome, match="subclass FSM"):
            Report.__machine__.steps["perform"].func(Report(), context())

    @pytest.mark.parametrize("answer", [gd.Fail("no"), gd.Snooze(3), gd.Retry(3)])
    def test_what_is_to_be_raised_is_no_result(self, answer):
        """It is a mistake of the code, so the job fails at once and says how it is meant."""

        class Report(gd.Job):
            def perform(self, ctx):
                return answer

        with pytest.raises(gd.InvalidOutcome, match="raise gd|subclass FSM") as caught:
            Report.__machine__.steps["perform"].func(Report(), context())
        assert isinstance(Report().handle(caught.value, context()), gd.Stop)

    def test_max_attempts_is_a_keyword_or_an_attribute(self):
        """Both say the same, and the default is 20."""

        class One(gd.Job, max_attempts=1):
            def perform(self, ctx):
                return None

        class Two(gd.Job):
            max_attempts: ClassVar[int] = 2

            def perform(self, ctx):
                return None

        class Three(gd.Job):
            max_attempts = 3

            def perform(self, ctx):
                return None

        assert [job.max_attempts for job in (One, Two, Three, gd.Job)] == [1, 2, 3, 20]


class TestHandle:
    class Report(gd.Job, max_attempts=3):
        def perform(self, ctx):
            return None

    def test_tries_again_while_attempts_are_left(self):
        """The delay doubles from one second, the last attempt fails."""
        report, error = self.Report(), OSError("no route")

        outcomes = [report.handle(error, context(n)) for n in range(3)]

        assert outcomes == [gd.Retry(1), gd.Retry(2), gd.Stop("OSError: no route")]

    def test_the_default_backoff_ends_at_five_minutes(self):
        """However many attempts there were."""
        backoff = self.Report().backoff

        assert [backoff(n) for n in (0, 1, 8, 9, 10_000)] == [1, 2, 256, 300, 300]

    def test_backoff_may_be_overridden(self):
        """It returns seconds or a timedelta."""

        class Patient(gd.Job):
            def perform(self, ctx):
                return None

            def backoff(self, attempt):
                return timedelta(hours=attempt + 1)

        assert Patient().handle(OSError(), context(1)) == gd.Retry(7200)

    def test_backoff_is_no_coroutine(self):
        """Nobody would await it."""
        with pytest.raises(TypeError, match=r"Eager\.backoff must be def backoff\(self, attempt\)"):

            class Eager(gd.Job):
                def perform(self, ctx):
                    return None

                async def backoff(self, attempt):
                    return 1

    @pytest.mark.parametrize("answer", [None, "soon", -1])
    def test_backoff_returns_a_duration(self, answer):
        """Whoever returns something else is told which method did."""

        class Vague(gd.Job):
            def perform(self, ctx):
                return None

            def backoff(self, attempt):
                return answer

        with pytest.raises(gd.InvalidOutcome, match=rf"Vague\.backoff\(1\)={answer!r}"):
            Vague().handle(OSError(), context(1))

    def test_fail_fails_at_once(self):
        """With attempts left, too; the reason may be an exception."""
        assert self.Report().handle(gd.Fail("bounced"), context()) == gd.Stop("bounced")
        assert self.Report().handle(gd.Fail(OSError("x")), context()) == gd.Stop("OSError: x")

    def test_snooze_costs_no_attempt(self):
        """On the last attempt, too."""
        outcome = self.Report().handle(gd.Snooze(timedelta(minutes=1)), context(2))

        assert outcome == Snoozed(60)
        with pytest.raises(gd.InvalidOutcome, match="Snooze"):
            gd.Snooze(-1)


class TestFunction:
    def test_its_parameters_are_the_fields(self):
        """Calling it builds the job; the step calls the function with the fields."""
        mail = send_mail("ann", body="hi")

        assert isinstance(mail, gd.Job)
        assert json.loads(dump_state(mail)) == {"to": "ann", "body": "hi"}
        step = send_mail.__machine__.steps["perform"]
        assert step.func(mail, context(2)) == gd.Done("ann: hi (2)")

    def test_it_is_a_job_class_like_any_other(self):
        """Name, keywords and documentation are those of the function."""
        machine = send_mail.__machine__

        assert (machine.name, machine.queue, send_mail.max_attempts) == ("send_mail", "mail", 3)
        assert send_mail.__doc__ == "Send a mail."
        assert send_mail.__module__ == __name__

    def test_it_is_loaded_without_its_constructor(self):
        """A stored job comes back as it was, defaults included."""
        assert load_state(send_mail, dump_state(send_mail("ann"))) == send_mail(to="ann")

    def test_it_may_be_async_and_without_context(self):
        """A bare @job is enough where no keyword is needed."""
        step = resize.__machine__.steps["perform"]

        assert step.is_async
        assert asyncio.run(step.func(resize("a", width=2), context())) == gd.Done(["a", "a"])

    def test_its_arguments_are_checked(self):
        """Types and names by pydantic, positions as in any call."""
        with pytest.raises(ValidationError, match="to"):
            send_mail(7)
        with pytest.raises(ValidationError, match="boddy"):
            send_mail("ann", boddy="hi")
        with pytest.raises(TypeError, match="2 fields"):
            send_mail("ann", "hi", "more")
        with pytest.raises(TypeError, match="multiple values"):
            send_mail("ann", to="bob")
        with pytest.raises(TypeError, match="1 fields"):
            resize("a", 2)

    def test_types_may_be_unknown_yet_where_they_do_not_matter(self):
        """An annotation of the context or the result is not needed to build the fields."""

        @gd.job
        def check(run: Unknown.Context, number: int) -> Unknown:  # noqa: F821
            return number

        assert json.loads(dump_state(check(3))) == {"number": 3}


def no_perform():
    class Report(gd.Job):
        number: int


def steps_beside_perform():
    class Report(gd.Job):
        def perform(self, ctx):
            return None

        @gd.step
        def start(self, ctx):
            return gd.Done()


def wrong_signature():
    class Report(gd.Job):
        def perform(self):
            return None


def field_max_attempts():
    class Report(gd.Job):
        max_attempts: int = 3


def no_attempts():
    class Report(gd.Job, max_attempts=0):
        def perform(self, ctx):
            return None


def retry_of_a_job():
    class Report(gd.Job, retry=gd.Backoff(3)):
        def perform(self, ctx):
            return None


def variable_arguments():
    @gd.job
    def report(*numbers: int) -> None: ...


def private_argument():
    @gd.job
    def report(_number: int) -> None: ...


def reserved_argument():
    @gd.job
    def report(step: str) -> None: ...


def late_context():
    @gd.job
    def report(number: int, ctx: gd.Context) -> None: ...


def unreadable_argument():
    @gd.job
    def report(number: int, thread: threading.Thread) -> None: ...


@pytest.mark.parametrize(
    ("declare", "mend"),
    [
        (no_perform, r"Report has no perform; write def perform\(self, ctx\)"),
        (steps_beside_perform, "Report has perform beside steps"),
        (wrong_signature, r"def perform\(self, ctx\)"),
        (field_max_attempts, "max_attempts cannot be a field"),
        (no_attempts, "max_attempts=0"),
        (retry_of_a_job, "not retry="),
        (variable_arguments, "numbers"),
        (private_argument, "_number"),
        (reserved_argument, "step cannot be a field"),
        (late_context, r"the context comes first; write def report\(ctx, \.\.\.\)"),
        (unreadable_argument, r"report\.thread: .*threading.Thread.* cannot be read back"),
    ],
)
def test_a_mistake_is_an_error_of_the_class(declare, mend):
    """The message names the class and says how to mend it."""
    with pytest.raises(TypeError, match=mend):
        declare()


def test_a_class_needs_no_decorator():
    """``@job`` on a class says to subclass."""
    with pytest.raises(TypeError, match="subclass gd.Job"):

        @gd.job
        class Report:
            pass
