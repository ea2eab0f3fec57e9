"""Durable execution for Python whose only server is the PostgreSQL that you already have."""

from gendurable import events
from gendurable.aio import AsyncDurable
from gendurable.binding import bind
from gendurable.context import Child, Children, Context
from gendurable.durable import Durable
from gendurable.engine.explanation import Explanation, Reason
from gendurable.errors import (
    ConfigError,
    DuplicateInstance,
    GenDurableError,
    InvalidInput,
    InvalidOutcome,
    LeaseLost,
    NoTarget,
    SchemaError,
    StateError,
    StepTimeout,
    UnknownLimit,
)
from gendurable.fsm import FSM, step, upgrade
from gendurable.handle import AsyncHandle, Handle, Settled
from gendurable.job import Fail, Job, Snooze, job
from gendurable.lifecycle import Status
from gendurable.models import Instance, StoredSignal, Transition
from gendurable.outcomes import (
    KEEP,
    Await,
    Done,
    Next,
    Outcome,
    Retry,
    ScheduleChildren,
    Stop,
)
from gendurable.retry import Backoff
from gendurable.runtime.worker import Worker
from gendurable.schedules import ScheduleStatus
from gendurable.settings import ConcurrencyLimit, RateLimit
from gendurable.signals import ReceivedSignal, Signal, Signals
from gendurable.spawn import ALL, LIVE, Scope, Spawn

__all__ = [
    # Declaring work
    "FSM",
    "Backoff",
    "Fail",
    "Job",
    "Signal",
    "Snooze",
    "job",
    "step",
    "upgrade",
    # What a step is given
    "Child",
    "Children",
    "Context",
    "ReceivedSignal",
    "Signals",
    # What a step answers
    "KEEP",
    "Await",
    "Done",
    "Next",
    "Outcome",
    "Retry",
    "ScheduleChildren",
    "Spawn",
    "Stop",
    # Binding
    "ALL",
    "LIVE",
    "AsyncDurable",
    "AsyncHandle",
    "ConcurrencyLimit",
    "Durable",
    "Explanation",
    "Handle",
    "RateLimit",
    "Reason",
    "ScheduleStatus",
    "Scope",
    "Settled",
    "Worker",
    "bind",
    # What is stored
    "Instance",
    "Status",
    "StoredSignal",
    "Transition",
    "events",
    # Errors
    "ConfigError",
    "DuplicateInstance",
    "GenDurableError",
    "InvalidInput",
    "InvalidOutcome",
    "LeaseLost",
    "NoTarget",
    "SchemaError",
    "StateError",
    "StepTimeout",
    "UnknownLimit",
]
