"""Metrics from the events, named by the semantic conventions where these have a name."""

from __future__ import annotations

from typing import Any

from opentelemetry import metrics
from opentelemetry.metrics import MeterProvider

from gendurable import events
from gendurable.ext.opentelemetry.traces import SYSTEM, type_of
from gendurable.ext.subscriptions import Subscriptions, name_of


class Metrics:
    """The instruments of one binding."""

    def __init__(self, binding: str, provider: MeterProvider | None) -> None:
        self._common = {"messaging.system": SYSTEM, "gendurable.binding": binding}
        self._meter = metrics.get_meter("gendurable", meter_provider=provider)
        self._steps()
        self._transactions()
        self._subscriptions = Subscriptions(
            binding,
            [
                (events.step_stop, self._step_stop),
                (events.outcome_committed, self._outcome_committed),
                (events.claim_stop, self._claim_stop),
                (events.commit_stop, self._commit_stop),
                (events.worker_saturation, self._worker_saturation),
                *self._counted(),
            ],
        )

    def close(self) -> None:
        """Measure no more."""
        self._subscriptions.close()

    def _steps(self) -> None:
        meter = self._meter
        self._duration = meter.create_histogram(
            "messaging.process.duration", "s", "How long an execution of a step took."
        )
        self._outcomes = meter.create_counter(
            "gendurable.outcomes", "{outcome}", "Outcomes that are durable."
        )
        self._held = meter.create_gauge(
            "gendurable.slots.held", "{slot}", "Slots of a queue in which steps run."
        )
        self._slots = meter.create_gauge("gendurable.slots.limit", "{slot}", "Slots of a queue.")

    def _transactions(self) -> None:
        meter = self._meter
        self._consumed = meter.create_counter(
            "messaging.client.consumed.messages", "{message}", "Instances that were claimed."
        )
        self._claim_size = meter.create_histogram(
            "gendurable.claim.size", "{instance}", "How many instances a claim returned."
        )
        self._commit_size = meter.create_histogram(
            "gendurable.commit.size", "{outcome}", "How many outcomes a transaction committed."
        )
        self._commit_duration = meter.create_histogram(
            "gendurable.commit.duration", "s", "How long the commit of a batch took."
        )

    def _counted(self) -> list[tuple[Any, Any]]:
        """Return the events that are merely counted, each with its receiver."""
        return [(event, self._counter(*counted)) for event, *counted in COUNTED]

    def _counter(self, name: str, unit: str, text: str, *fields: str) -> Any:
        counter = self._meter.create_counter(name, unit, text)

        def receiver(sender: str, *, count: int = 1, **found: Any) -> None:
            counter.add(count, self._labels(**{field: found[field] for field in fields}))

        return receiver

    def _labels(self, **fields: Any) -> dict[str, Any]:
        labels = dict(self._common)
        for field, value in fields.items():
            if field == "key":  # keys are many, the names of limits are few
                labels["gendurable.limit"] = name_of(value)
            else:
                labels[_NAMES.get(field, f"gendurable.{field}")] = value
        return labels

    def _step_stop(
        self, sender: str, *, fsm: str, step: str, queue: str, kind: str, **rest: Any
    ) -> None:
        labels = self._labels(operation="process", fsm=fsm, step=step, queue=queue, kind=kind)
        if rest.get("error") is not None:
            labels["error.type"] = type_of(rest["error"])
        self._duration.record(rest["duration"], labels)

    def _outcome_committed(
        self, sender: str, *, fsm: str, step: str, kind: str, **rest: Any
    ) -> None:
        self._outcomes.add(1, self._labels(fsm=fsm, step=step, kind=kind))

    def _claim_stop(self, sender: str, *, queue: str, count: int, **rest: Any) -> None:
        labels = self._labels(queue=queue)
        self._claim_size.record(count, labels)
        if count:
            self._consumed.add(count, labels | {"messaging.operation.name": "claim"})

    def _commit_stop(self, sender: str, *, count: int, duration: float, **rest: Any) -> None:
        self._commit_size.record(count, self._common)
        self._commit_duration.record(duration, self._common)

    def _worker_saturation(
        self, sender: str, *, queue: str, held: int, slots: int, **rest: Any
    ) -> None:
        labels = self._labels(queue=queue)
        self._held.set(held, labels)
        self._slots.set(slots, labels)


_NAMES = {
    "operation": "messaging.operation.name",
    "queue": "messaging.destination.name",
    "kind": "gendurable.outcome",
}

#: Event, name, unit, description, and the fields that tell the counts apart.
COUNTED: tuple[Any, ...] = (
    (
        events.outcome_stale,
        "gendurable.outcomes.stale",
        "{outcome}",
        "Outcomes whose owner had lost its row.",
        "fsm",
        "step",
        "kind",
    ),
    (events.step_start, "gendurable.steps.started", "{step}", "Steps begun.", "fsm", "step"),
    (
        events.worker_drain,
        "gendurable.worker.drains",
        "{drain}",
        "Drains of workers, by phase.",
        "phase",
    ),
    (
        events.concurrency_contended,
        "gendurable.concurrency.contended",
        "{claim}",
        "Claims that met in a slot of a key.",
        "key",
    ),
    (
        events.concurrency_throttled,
        "gendurable.concurrency.throttled",
        "{instance}",
        "Instances that were made to wait for a key.",
        "key",
    ),
    (
        events.rate_limit_throttled,
        "gendurable.rate_limit.throttled",
        "{instance}",
        "Instances that were made to wait for tokens.",
        "key",
    ),
    (
        events.rate_limit_unknown,
        "gendurable.rate_limit.unknown",
        "{instance}",
        "Instances that wait for a rate that nobody configures.",
        "key",
    ),
    (
        events.reaper_reaped,
        "gendurable.leases.expired",
        "{lease}",
        "Leases that had expired.",
    ),
    (events.schedule_fired, "gendurable.schedules.fired", "{instance}", "Instances by schedules."),
    (events.await_timeout, "gendurable.deadlines.passed", "{deadline}", "Deadlines that passed."),
    (events.gc_swept, "gendurable.gc.deleted", "{instance}", "Old instances that were deleted."),
    (events.gc_held, "gendurable.gc.held", "{instance}", "Old instances that had to stay."),
    (
        events.fsm_unknown,
        "gendurable.instances.unknown",
        "{instance}",
        "Instances set aside, their step unknown here.",
        "fsm",
        "step",
    ),
    (
        events.state_invalid,
        "gendurable.instances.invalid",
        "{instance}",
        "Instances set aside, their state invalid.",
        "fsm",
        "step",
    ),
)
