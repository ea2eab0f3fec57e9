"""Jobs: machines of one step whose return value is the result, as classes or plain functions."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Awaitable, Callable
from typing import (
    Any,
    ClassVar,
    Concatenate,
    ParamSpec,
    Protocol,
    Unpack,
    overload,
)

from gendurable.context import Context
from gendurable.errors import InvalidOutcome
from gendurable.fsm import FSM, Keywords
from gendurable.machine import Machine, Step
from gendurable.outcomes import OUTCOMES, Done, Outcome, Retry, Snoozed, Stop
from gendurable.retry import Duration, seconds
from gendurable.spawn import positive
from gendurable.steps import Marked, check_method, fits, hint_of, is_ctx, marked_steps, members

P = ParamSpec("P")

_FIELDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)

#: The longest that the default backoff waits, in seconds.
LONGEST = 300.0


class Fail(Exception):
    """Raise this in a job to fail at once, without another attempt."""

    def __init__(self, reason: str | BaseException = "failed") -> None:
        super().__init__(reason)
        self.reason = reason


class Snooze(Exception):
    """Raise this in a job to run it again later; that costs no attempt."""

    def __init__(self, delay: Duration) -> None:
        super().__init__(delay)
        self.delay = seconds(delay, "Snooze(delay)")


class JobKeywords(Keywords, total=False):
    """The class keywords of a Job."""

    max_attempts: int


class Job(FSM, abstract=True):
    """A machine of one step: define ``perform(self, ctx)``; what it returns is the result.

    An exception runs it again after ``backoff(attempt)``, until ``max_attempts`` executions have
    failed.
    """

    __reserved__ = FSM.__reserved__ | {"backoff", "max_attempts"}

    max_attempts: ClassVar[int] = 20

    def __init_subclass__(cls, **keywords: Unpack[JobKeywords]) -> None:
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(cls, **given: Any) -> None:
        """Read the class as that of a job."""
        if "max_attempts" in given:
            cls.max_attempts = given.pop("max_attempts")
        positive(cls.max_attempts, f"{cls.__qualname__}: max_attempts", TypeError)
        if given.get("retry") is not None:
            raise TypeError(
                f"{cls.__qualname__}: a job has max_attempts= and backoff(), not retry="
            )
        super().__pydantic_init_subclass__(**given)

    @classmethod
    def __steps__(cls) -> list[Marked]:
        """Return the one step; its function makes an outcome of what ``perform`` returns."""
        where = cls.__qualname__
        if marked_steps(cls, cls.__options__):
            raise TypeError(f"{where} has perform beside steps; subclass FSM, or make it one step")
        perform = members(cls)["perform"]
        if perform is Job.perform:
            raise TypeError(f"{where} has no perform; write def perform(self, ctx)")
        check_method(cls, "perform", perform, "job")
        if not fits(cls.backoff, "self", "attempt") or inspect.iscoroutinefunction(cls.backoff):
            raise TypeError(f"{where}.backoff must be def backoff(self, attempt)")
        is_async = inspect.iscoroutinefunction(perform)
        timeout = cls.__options__["step_timeout"]
        call = _awaited(perform) if is_async else _called(perform)
        return [Marked(perform, Step("perform", call, is_async, None, timeout), initial=True)]

    def perform(self, ctx: Context, /) -> Any:
        """Do the work; what is returned becomes the result."""
        raise NotImplementedError

    def backoff(self, attempt: int, /) -> Duration:
        """Return how long to wait after *attempt*, counted from 0, has failed."""
        return min(2.0 ** min(attempt, 10), LONGEST)

    def handle(self, error: Exception, ctx: Context, /) -> Outcome:
        """Snooze, fail, or try again while attempts are left."""
        if isinstance(error, Snooze):
            return Snoozed(error.delay)
        if isinstance(error, Fail):
            return Stop(error.reason)
        if isinstance(error, InvalidOutcome):  # a mistake of the code, which no attempt mends
            return Stop(error)
        if ctx.attempt + 1 < self.max_attempts:
            what = f"{type(self).__qualname__}.backoff({ctx.attempt})"
            return Retry(seconds(self.backoff(ctx.attempt), what))
        return Stop(error)


def _called(perform: Callable[..., Any]) -> Callable[[Any, Any], Outcome]:
    @functools.wraps(perform)
    def run(obj: Any, ctx: Any) -> Outcome:
        return _result(perform(obj, ctx))

    return run


def _awaited(perform: Callable[..., Any]) -> Callable[[Any, Any], Awaitable[Outcome]]:
    @functools.wraps(perform)
    async def run(obj: Any, ctx: Any) -> Outcome:
        return _result(await perform(obj, ctx))

    return run


def _result(value: Any) -> Done:
    if isinstance(value, (Fail, Snooze)):
        kind = type(value).__name__
        raise InvalidOutcome(f"{kind} is raised, not returned: raise gd.{kind}(...)")
    if isinstance(value, OUTCOMES):
        raise InvalidOutcome(f"a job returns its result, not {value!r}; subclass FSM for outcomes")
    return Done(value)


class JobType(Protocol[P]):
    """The class that ``@job`` makes of a function: called with its arguments, it gives a job."""

    __machine__: Machine

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Return the job, ready to be inserted."""
        ...


class _Decorator(Protocol):
    @overload
    def __call__(self, function: Callable[Concatenate[Context, P], Any], /) -> JobType[P]: ...
    @overload
    def __call__(self, function: Callable[P, Any], /) -> JobType[P]: ...


@overload
def job(function: Callable[Concatenate[Context, P], Any], /) -> JobType[P]: ...
@overload
def job(function: Callable[P, Any], /) -> JobType[P]: ...
@overload
def job(**keywords: Unpack[JobKeywords]) -> _Decorator: ...
def job(function: Any = None, /, **keywords: Any) -> Any:
    """Make a ``Job`` class of a function; its parameters, but for ``ctx``, are the fields.

    ``ctx`` comes first or not at all. The keywords are those of a ``Job`` class.

    Raises:
        TypeError: a parameter cannot be a field.
    """
    if function is None:
        return functools.partial(_job_class, keywords=keywords)
    return _job_class(function, keywords)


def _job_class(function: Callable[..., Any], keywords: dict[str, Any]) -> type[Job]:
    """Return the class whose fields are the parameters of *function* and whose perform calls it."""
    if isinstance(function, type):
        raise TypeError(
            f"@job makes a class of a function, and {function.__qualname__} is a class: subclass"
            " gd.Job, which needs no decorator"
        )
    parameters = list(inspect.signature(function).parameters.values())
    hints = {p.name: hint_of(p.annotation, function) for p in parameters}
    takes_ctx = bool(parameters) and is_ctx(parameters[0].name, hints)
    parameters = parameters[takes_ctx:]
    if any(is_ctx(parameter.name, hints) for parameter in parameters):
        raise TypeError(
            f"{function.__qualname__}: the context comes first; write"
            f" def {function.__name__}(ctx, ...)"
        )
    body: dict[str, Any] = {
        "__module__": function.__module__,
        "__qualname__": function.__qualname__,
        "__doc__": function.__doc__,
        "__annotations__": {p.name: hints[p.name] for p in parameters},
        "__init__": _initializer(function, parameters),
        "perform": _performer(function, takes_ctx, tuple(p.name for p in parameters)),
    }
    for parameter in parameters:
        if parameter.kind not in _FIELDS or parameter.name.startswith("_"):
            raise TypeError(
                f"{function.__qualname__}: the parameter {parameter} cannot be a field of a job;"
                " give it a plain name that can be passed as a keyword"
            )
        if parameter.default is not parameter.empty:
            body[parameter.name] = parameter.default
    return types.new_class(function.__name__, (Job,), keywords, lambda space: space.update(body))


def _performer(
    function: Callable[..., Any], takes_ctx: bool, names: tuple[str, ...]
) -> Callable[..., Any]:
    def call(self: Job, ctx: Context) -> Any:
        arguments = {name: getattr(self, name) for name in names}
        return function(ctx, **arguments) if takes_ctx else function(**arguments)

    async def call_async(self: Job, ctx: Context) -> Any:
        return await call(self, ctx)

    return call_async if inspect.iscoroutinefunction(function) else call


def _initializer(
    function: Callable[..., Any], parameters: list[inspect.Parameter]
) -> Callable[..., None]:
    names = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]

    def __init__(self: Job, /, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        if len(args) > len(names):
            raise TypeError(
                f"{function.__qualname__}: {len(args)} arguments for {len(names)} fields"
            )
        FSM.__init__(self, **dict(zip(names, args, strict=False)), **kwargs)

    # What pydantic asks before it loads objects through __init__, which takes twice as long.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]
    return __init__
