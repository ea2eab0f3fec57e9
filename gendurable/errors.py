"""Every error that gendurable raises, each with the sentence that says how to mend it."""

from __future__ import annotations


class GenDurableError(Exception):
    """The base of all errors of this library."""


class ConfigError(GenDurableError):
    """A setting of ``bind`` or ``worker`` is not usable; the message names all that are wrong."""


class SchemaError(GenDurableError):
    """The database's gendurable schema is missing or too old; the message names the command."""


class InvalidInput(GenDurableError, ValueError):
    """An argument is not acceptable; the message names it and its value."""


class StateError(InvalidInput):
    """A state, result or payload cannot be stored, or would not come back; names the field."""


class DuplicateInstance(GenDurableError):
    """The correlation key is taken; ``id`` is the instance that holds it."""

    def __init__(self, message: str, id: int | None = None) -> None:
        super().__init__(message)
        self.id = id


class NoTarget(GenDurableError):
    """No visible instance answers to the target."""


class UnknownLimit(GenDurableError):
    """A limit is named that neither the binding nor the database configures."""


class InvalidOutcome(GenDurableError):
    """A step answered with something that is no outcome, or with one that cannot be carried out."""


class LeaseLost(GenDurableError):
    """The row is no longer this execution's: another claim, a cancel or the reaper took it."""


class StepTimeout(GenDurableError):
    """A step ran longer than its ``step_timeout``."""
