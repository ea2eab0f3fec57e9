"""State machines as classes: the fields are the durable state, the marked methods are the steps."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, ClassVar, Final, Unpack

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic.errors import PydanticSchemaGenerationError
from pydantic_core import CoreSchema

from gendurable.context import Context
from gendurable.machine import History, Machine, Step, define
from gendurable.outcomes import Outcome, Stop
from gendurable.retry import Backoff, Duration, seconds
from gendurable.spawn import check_name, positive
from gendurable.steps import (
    Marked,
    check_retry,
    check_steps,
    check_timeout,
    find_upgrades,
    fits,
    marked_steps,
    members,
    step,
    upgrade,
)

__all__ = ["FSM", "Keywords", "Machine", "Step", "step", "upgrade"]

_DEFAULTS: Final[Mapping[str, Any]] = {
    "queue": "default",
    "retry": None,
    "run_ahead": None,
    "history": "errors",
    "step_timeout": None,
    "max_crashes": 10,
}


class Keywords(ConfigDict, total=False):
    """The class keywords of an FSM; all but the first three are inherited."""

    name: str
    version: int
    abstract: bool
    queue: str
    retry: Backoff | None
    run_ahead: int | timedelta | None
    history: History
    step_timeout: Duration | None
    max_crashes: int | None


class FSM(BaseModel):
    """A durable state machine: subclass it, declare its state as fields and its steps as methods.

    ``abstract=True`` makes a base class that has no rows of its own, for fields, steps and a
    ``handle`` that several machines share.
    """

    model_config = ConfigDict(extra="forbid")

    __machine__: ClassVar[Machine]
    __options__: ClassVar[Mapping[str, Any]] = _DEFAULTS
    __reserved__: ClassVar[frozenset[str]] = frozenset({"handle", "perform", "step"})

    def __init_subclass__(cls, **keywords: Unpack[Keywords]) -> None:
        super().__init_subclass__()
        check_fields(cls, vars(cls).get("__annotations__", {}))

    @classmethod
    def __pydantic_init_subclass__(cls, **given: Any) -> None:
        """Read the class once its fields are known, and enter it into the table of machines."""
        check_fields(cls, cls.model_fields)
        _check_private(cls)
        name, version = given.pop("name", None) or cls.__qualname__, given.pop("version", 1)
        abstract = given.pop("abstract", False)
        cls.__options__ = {**cls.__options__, **_checked(cls, given)}
        if abstract:
            type.__setattr__(cls, "__machine__", None)
            return
        where = f"{cls.__qualname__}: "
        machine = build(
            cls,
            check_name(name, f"{where}name", TypeError),
            positive(version, f"{where}version", TypeError),
        )
        define(machine)
        cls.__machine__ = machine

    @classmethod
    def __steps__(cls) -> list[Marked]:
        """Return the steps of the class; a job brings its own."""
        if "perform" in members(cls):
            raise TypeError(
                f"{cls.__qualname__} has a method perform, which belongs to a Job:"
                " subclass gendurable.Job, or mark it with @step under another name"
            )
        return marked_steps(cls, cls.__options__)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler, /
    ) -> CoreSchema:
        """Say which field has a type that could not be stored."""
        try:
            return handler(source)
        except PydanticSchemaGenerationError as error:
            raise _unstorable(cls, handler, error) from error

    def handle(self, error: Exception, ctx: Context, /) -> Outcome:
        """Answer for a step that raised *error*; the state is as it was before that step.

        The default gives up: the instance fails with that error.
        """
        return Stop(error)


def build(cls: type[FSM], name: str, version: int) -> Machine:
    """Return the machine that *cls* declares.

    Raises:
        TypeError: it cannot be one; the message says what to mend.
    """
    found = cls.__steps__()
    steps, initial = check_steps(cls, found)
    if not fits(cls.handle, "self", "error", "ctx") or inspect.iscoroutinefunction(cls.handle):
        raise TypeError(f"{cls.__qualname__}.handle must be def handle(self, error, ctx)")
    return Machine(
        cls=cls,
        name=name,
        version=version,
        **cls.__options__,
        steps=steps,
        targets={item.target: item.step.name for item in found},
        initial=initial,
        upgrades=find_upgrades(cls, version),
    )


def _unstorable(
    cls: type[FSM], handler: GetCoreSchemaHandler, error: PydanticSchemaGenerationError
) -> TypeError:
    """Return the complaint about the field of a type that nothing could be read back as."""
    for name, field in cls.model_fields.items():
        try:
            handler.generate_schema(field.annotation)
        except PydanticSchemaGenerationError:
            return TypeError(
                f"{cls.__qualname__}.{name}: {field.annotation!r} cannot be read back from JSON;"
                " keep in the state what a step can make or find it by, such as an id"
            )
    return TypeError(f"{cls.__qualname__}: {error.message}")


def check_fields(cls: type[FSM], names: Iterable[str] | Mapping[str, Any]) -> None:
    """Complain about fields whose names mean something else here."""
    annotations = names if isinstance(names, Mapping) else {}
    for name in cls.__reserved__.intersection(names):
        if "ClassVar" not in str(annotations.get(name)):
            raise TypeError(
                f"{cls.__qualname__}.{name} cannot be a field, since gendurable uses that name;"
                " call it otherwise"
            )


def _check_private(cls: type[FSM]) -> None:
    """Complain about pydantic's private attributes: the next step would find them as at birth."""
    private = ", ".join(f"{cls.__qualname__}.{name}" for name in cls.__private_attributes__)
    if private:
        raise TypeError(
            f"only fields are stored, and {private} would be lost after each step: make it a field,"
            " without the leading underscore; if it is a constant, a ClassVar; or a local variable"
            " of the step"
        )


def _checked(cls: type[FSM], given: dict[str, Any]) -> dict[str, Any]:
    """Return the class keywords as the machine has them."""
    where = cls.__qualname__
    unknown = given.keys() - _DEFAULTS.keys()
    if unknown:
        raise TypeError(f"{where}: there is no class keyword {', '.join(sorted(unknown))}")
    if "queue" in given:
        check_name(given["queue"], f"{where}: queue", TypeError)
    check_retry(given.get("retry"), f"{where}: retry")
    if "step_timeout" in given:
        given["step_timeout"] = check_timeout(given["step_timeout"], f"{where}: step_timeout")
    if given.get("max_crashes") is not None:
        positive(given["max_crashes"], f"{where}: max_crashes", TypeError)
    if given.get("history", "off") not in ("all", "errors", "off"):
        raise TypeError(f"{where}: history={given['history']!r} must be 'all', 'errors' or 'off'")
    ahead = given.get("run_ahead")
    if isinstance(ahead, timedelta):
        seconds(ahead, f"{where}: run_ahead", TypeError)
    elif ahead is not None and (type(ahead) is not int or ahead < 0):
        raise TypeError(
            f"{where}: run_ahead={ahead!r} must be a number of steps or a timedelta; 0 forbids it"
        )
    return given
