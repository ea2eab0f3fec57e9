"""What a check of live rows finds, and the words for it: what is wrong, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from gendurable.state import describe

if TYPE_CHECKING:
    from gendurable.graph.nouns import Problem
    from gendurable.machine import Machine
    from gendurable.registry import Catalogue

#: How many errors of one state are told.
MOST = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """What does not fit: rows that this build cannot run, or a target that no step bears.

    ``unknown``: the build lacks the step; ``invalid``: the state does not load; ``target``: the
    code names a step that does not exist, which concerns no row yet. ``reason`` says what is wrong,
    ``advice`` what to do; ``count`` rows are concerned, of which ``example`` is one.
    """

    kind: Literal["unknown", "invalid", "target"]
    fsm: str
    version: int
    step: str | None
    reason: str
    count: int = 0
    example: int | None = None
    advice: str | None = None

    def __str__(self) -> str:
        if self.kind == "target":
            return self.reason
        rows = "row" if self.count == 1 else "rows"
        return (
            f"{self.count:,} {rows} of {self.fsm} version {self.version} at {self.step!r}, such as"
            f" {self.example}: {self.reason}"
        )

    @property
    def what(self) -> str:
        """What is concerned, in a few words."""
        where = f"{self.fsm} version {self.version}"
        return where if self.step is None else f"{where}, step {self.step!r}"


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check has found; ``rows`` is how many live rows there are."""

    rows: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether this build can run all of it."""
        return not self.findings


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What an upgrade of the stored states did.

    ``upgraded`` rows are of the new version now, ``cleared`` ones are no longer set aside, ``left``
    ones are still of an old version: executed or held by somebody at that moment. ``findings`` are
    those that could not be brought up.
    """

    upgraded: int
    cleared: int
    left: int
    queues: frozenset[str]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether every row that was looked at could be brought up."""
        return not self.findings


def missing(
    catalogue: Catalogue, fsm: str, version: int, step: str, count: int, example: int
) -> Finding:
    """Return the finding that this build lacks the step at which rows stand."""
    reason, advice = _lacking(catalogue, fsm, version, step)
    return Finding("unknown", fsm, version, step, reason, count, example, advice)


def _lacking(catalogue: Catalogue, fsm: str, version: int, step: str) -> tuple[str, str]:
    machine = catalogue.find(fsm, version)
    if machine is not None:
        known = ", ".join(dict.fromkeys(step.name for step in machine.steps.values()))
        return (
            f"this build has no such step; it has {known}",
            f"give the step that replaces it this alias: @gd.step(aliases=[{step!r}]); or set each"
            " row to another step: gendurable rewind",
        )
    versions = sorted(v for name, v in catalogue.machines() if name == fsm)
    if not versions:
        return (
            "this build has no machine of that name",
            "import its module; keep the class until its rows have ended, or end them: gendurable"
            " cancel",
        )
    reason = f"this build has version {', '.join(map(str, versions))}, and no upgrade from"
    if version > versions[-1]:
        return (
            f"{reason} {version}, which is newer",
            f"keep a build that has version {version} until its rows have ended",
        )
    return (
        f"{reason} {version}",
        f"declare @gd.upgrade(from_version={version}), or keep the class of version {version}"
        " beside the newer one",
    )


def invalid(machine: Machine, version: int, error: Exception) -> tuple[str, str]:
    """Return what is wrong with a state that *machine* does not load, and what to do.

    Values are left out: they would tell each row apart.
    """
    reason = complaint(error)
    if machine.version != version:
        return (
            f"brought up to version {machine.version}: {reason}",
            f"mend the @gd.upgrade of {machine.name} version {machine.version}",
        )
    return (
        reason,
        "let the class take it (a default, an @gd.upgrade to a new version), or mend each row:"
        " gendurable patch-state",
    )


def complaint(error: Exception) -> str:
    """Return in a line what is wrong with a state, each field with what is said of it."""
    if not isinstance(error, ValidationError):
        return describe(error)
    errors = error.errors(include_url=False, include_input=False, include_context=False)
    told = [
        ": ".join(filter(None, (".".join(map(str, one["loc"])), one["msg"])))
        for one in errors[:MOST]
    ]
    more = [f"{len(errors) - MOST} more"] if len(errors) > MOST else []
    return "; ".join(told + more)


def wrong_target(fsm: str, version: int, problem: Problem) -> Finding:
    """Return the finding that the code goes to a step that does not exist."""
    advice = "name a step that exists"
    return Finding("target", fsm, version, problem.step, problem.message, advice=advice)
