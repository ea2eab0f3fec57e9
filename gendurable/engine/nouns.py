"""One noun a stage: what was claimed, what a step made of it, what was committed."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gendurable.fsm import Machine, Step
    from gendurable.queries.enqueue import Row
    from gendurable.signals import Signals

#: What a claim answers with of each row, in order; what may follow is no part of the row.
ROW = (
    "id",
    "fsm",
    "fsm_version",
    "step",
    "state",
    "attempt",
    "visit",
    "claim_seq",
    "awaits",
    "queue",
    "priority",
    "correlation_key",
    "correlation_scope",
    "parent_id",
    "parent_round",
    "round",
    "headers",
    "timed_out",
    "crashes",
    "concurrency_key",
    "rate_limit",
    "weight",
)


class Claim:
    """A row that this worker owns: as the database gave it, with its inbox and its machine."""

    __slots__ = (*ROW, "adopted", "ahead", "machine", "recovered", "signals", "since")

    id: int
    fsm: str
    fsm_version: int
    step: str
    state: str
    attempt: int
    visit: int
    claim_seq: int
    awaits: list[str] | None
    queue: str
    priority: int
    correlation_key: str | None
    correlation_scope: str | None
    parent_id: int | None
    parent_round: int | None
    round: int
    headers: str | None
    timed_out: bool
    crashes: int
    concurrency_key: str | None
    rate_limit: str | None
    weight: int
    signals: Signals
    machine: Machine
    adopted: bool  # an older version's row, upgraded: its commit writes the version too
    recovered: bool  # ``handle`` has had its word on this execution
    since: float  # on this process's clock: when it was claimed from the queue
    ahead: int  # how many steps have been run ahead since then

    def __init__(self, row: Any, signals: Signals, machine: Machine) -> None:
        (
            self.id,
            self.fsm,
            self.fsm_version,
            self.step,
            self.state,
            self.attempt,
            self.visit,
            seq,
            self.awaits,
            self.queue,
            self.priority,
            self.correlation_key,
            self.correlation_scope,
            self.parent_id,
            self.parent_round,
            self.round,
            self.headers,
            self.timed_out,
            self.crashes,
            self.concurrency_key,
            self.rate_limit,
            self.weight,
            *_,
        ) = row
        self.claim_seq = seq + 1  # the row is as it was locked; claiming it gave the next number
        self.signals = signals
        self.machine = machine
        self.adopted = False
        self.recovered = False
        self.since = monotonic()
        self.ahead = 0

    def advanced(self, step: str, state: str, signals: Signals) -> Claim:
        """Return the next claim of the row, which the commit of this one's outcome has made."""
        new = Claim(_row_of(self), signals, self.machine)
        new.step, new.state = step, state
        new.visit += 1
        new.attempt = new.crashes = 0
        new.awaits, new.timed_out = None, False
        new.rate_limit, new.weight = None, 1
        new.since, new.ahead = self.since, self.ahead + 1
        return new

    @property
    def spent(self) -> bool:
        """Whether one more crash would spend the budget."""
        budget = self.machine.max_crashes
        return budget is not None and self.crashes + 1 >= budget

    @property
    def step_spec(self) -> Step | None:
        """The step that the row names, if this build has it (an old version's may be unknown)."""
        return self.machine.steps.get(self.step)

    def __repr__(self) -> str:
        return f"<Claim {self.id}:{self.claim_seq} {self.fsm}.{self.step}>"


_row_of = attrgetter(*ROW)


@dataclass(slots=True)
class Claimed:
    """What one claim brought."""

    claims: list[Claim]
    next_due: float | None = None  # seconds until the queue's next row is due
    aside: int = 0  # rows set aside because nobody here knows them
    limited: bool = False  # rows with a limit were met
    strays: bool = False  # rows that were to be set aside, but somebody holds them
    again: bool = False  # something was moved out of the way: look again at once
    contended: bool = False  # somebody else judges a key or a bucket: look again in a moment
    crowded: bool = False  # a row with a limit could start, if there were a free slot
    marked: int = 0  # rows that wait for a key or for tokens from now on
    look: set[str] = field(default_factory=set)  # keys to look at once this is committed
    timer: bool = False  # the head of a bucket waits for an instant


@dataclass(slots=True)
class Finished:
    """A claim and what came of it, encoded for the commit."""

    claim: Claim
    kind: str  # next retry snooze await children done stop | invalid crashed lost
    fields: dict[str, Any] = field(default_factory=dict)  # columns that the outcome sets
    state: str = "null"  # JSON text
    result: str | None = None  # JSON text
    consumed: Sequence[int] = ()
    presented: Sequence[int] = ()
    children: Sequence[Row] = ()  # encoded rows, without their parent
    keyed: bool = False  # a child bears a correlation key, so its insert may wait
    child_queues: frozenset[str] = frozenset()
    error: BaseException | None = None
    recovered: bool = False  # it comes from ``handle``, or from the engine after that
    duration: float = 0.0  # seconds
    entry: dict[str, Any] | None = None  # for the history
    committed: Committed | None = None  # set when the session of the step committed it
    ahead: bool = False  # its commit may claim the row anew, for the next step

    @property
    def ends(self) -> bool:
        """Whether the instance ends with this, so that its parent's barrier counts it."""
        return self.kind in ("done", "stop") or (self.kind == "crashed" and self.claim.spent)


@dataclass(slots=True)
class Committed:
    """What a commit did with each outcome that it was given."""

    ids: list[int] = field(default_factory=list)
    done: list[Finished] = field(default_factory=list)
    stale: list[Finished] = field(default_factory=list)
    skipped: list[Finished] = field(default_factory=list)  # the row is held by somebody
    parent_skipped: list[Finished] = field(default_factory=list)  # only the parent is
    refused: list[tuple[Finished, BaseException]] = field(default_factory=list)
    woken: set[str] = field(default_factory=set)  # queues that have new work
    ahead: list[Claim] = field(default_factory=list)  # claims that the commit itself has made

    def add(self, other: Committed) -> None:
        """Take in what another commit did."""
        self.ids += other.ids
        self.done += other.done
        self.stale += other.stale
        self.skipped += other.skipped
        self.parent_skipped += other.parent_skipped
        self.refused += other.refused
        self.woken |= other.woken
        self.ahead += other.ahead
