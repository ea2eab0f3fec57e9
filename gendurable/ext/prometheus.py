"""Metrics for Prometheus: from the events, and from the tables when they are asked for.

Needs the extra ``prometheus``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    make_wsgi_app,
)
from prometheus_client.metrics_core import Metric

from gendurable import events
from gendurable.durable import Durable
from gendurable.ext.census import Census
from gendurable.ext.subscriptions import Subscriptions, name_of

#: From a millisecond to minutes: steps may be anything.
DURATIONS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
SIZES = (0, 1, 2, 5, 10, 20, 50, 100, 200)


class Monitor:
    """Counts what happens in this process, and reads queues and statuses from the tables.

    A registry asks it at each scrape. What the tables hold is the same in every process, so one
    of them is enough to tell: ``tables=False`` in the others.

    Args:
        durable: the binding.
        registry: where the metrics can be found.
        tables: whether to read the tables at a scrape.
    """

    def __init__(
        self, durable: Durable, registry: CollectorRegistry = REGISTRY, *, tables: bool = True
    ) -> None:
        self._binding = durable.name
        self._registry = registry
        self._metrics: list[Any] = []
        self._census = Census(durable) if tables else None
        self._subscriptions = Subscriptions(durable.name, self._receivers())
        registry.register(self)

    def close(self) -> None:
        """Count no more, and leave the registry."""
        self._subscriptions.close()
        self._registry.unregister(self)

    def describe(self) -> Iterable[Metric]:
        """Name what is counted, without a look at the tables."""
        return [family for metric in self._metrics for family in metric.describe()]

    def collect(self) -> Iterable[Metric]:
        """Return everything, as it is now."""
        for metric in self._metrics:
            yield from metric.collect()
        if self._census is not None:
            yield from self._census.collect()

    def _receivers(self) -> list[tuple[Any, Callable[..., None]]]:
        return [
            (events.step_stop, self._step_stop()),
            (events.outcome_committed, self._counter(*OUTCOMES)),
            (events.claim_stop, self._claim_stop()),
            (events.commit_stop, self._commit_stop()),
            (events.worker_saturation, self._worker_saturation()),
            *((event, self._counter(*counted)) for event, *counted in COUNTED),
        ]

    def _add(self, kind: Any, name: str, text: str, *labels: str, **options: Any) -> Any:
        metric = kind(name, text, ("binding", *labels), registry=None, **options)
        self._metrics.append(metric)
        return metric

    def _counter(self, name: str, text: str, *fields: str) -> Callable[..., None]:
        """Return a receiver that adds up an event; keys count under their limit's name."""
        counter = self._add(Counter, name, text, *("limit" if f == "key" else f for f in fields))

        def receiver(sender: str, *, count: int = 1, **found: Any) -> None:
            labels = (name_of(found[f]) if f == "key" else found[f] for f in fields)
            counter.labels(self._binding, *labels).inc(count)

        return receiver

    def _step_stop(self) -> Callable[..., None]:
        duration = self._add(
            Histogram,
            "gendurable_step_duration_seconds",
            "How long executions of steps took.",
            "queue",
            "fsm",
            "step",
            "kind",
            buckets=DURATIONS,
        )

        def receiver(sender: str, **found: Any) -> None:
            labels = (found[field] for field in ("queue", "fsm", "step", "kind"))
            duration.labels(self._binding, *labels).observe(found["duration"])

        return receiver

    def _claim_stop(self) -> Callable[..., None]:
        size = self._add(
            Histogram,
            "gendurable_claim_size",
            "How many instances each claim returned.",
            "queue",
            buckets=SIZES,
        )

        def receiver(sender: str, *, queue: str, count: int, **found: Any) -> None:
            size.labels(self._binding, queue).observe(count)

        return receiver

    def _commit_stop(self) -> Callable[..., None]:
        size = self._add(
            Histogram,
            "gendurable_commit_size",
            "How many outcomes each transaction committed.",
            buckets=SIZES,
        )
        seconds = self._add(
            Histogram,
            "gendurable_commit_duration_seconds",
            "How long commits of batches took.",
            buckets=DURATIONS,
        )

        def receiver(sender: str, *, count: int, duration: float, **found: Any) -> None:
            size.labels(self._binding).observe(count)
            seconds.labels(self._binding).observe(duration)

        return receiver

    def _worker_saturation(self) -> Callable[..., None]:
        busy = self._add(
            Gauge, "gendurable_slots_held", "Slots of a queue in which steps run here.", "queue"
        )
        all_ = self._add(Gauge, "gendurable_slots", "Slots of a queue in this process.", "queue")

        def receiver(sender: str, *, queue: str, held: int, slots: int, **found: Any) -> None:
            busy.labels(self._binding, queue).set(held)
            all_.labels(self._binding, queue).set(slots)

        return receiver


class MetricsApp:
    """A WSGI application that serves the metrics of some bindings and of this process.

    It has a registry of its own. To serve them along with the metrics of the application, make a
    ``Monitor`` of each binding instead, and serve the registry that those are in.
    """

    def __init__(self, *bindings: Durable, tables: bool = True) -> None:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._monitors = [Monitor(durable, registry, tables=tables) for durable in bindings]
        self._app = make_wsgi_app(registry)

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Answer a scrape."""
        return self._app(environ, start_response)

    def close(self) -> None:
        """Count no more."""
        for monitor in self._monitors:
            monitor.close()


OUTCOMES = ("gendurable_outcomes_total", "Outcomes that are durable.", "fsm", "step", "kind")

#: Event, name, description, and the fields that tell the counts apart.
COUNTED: tuple[Any, ...] = (
    (events.step_start, "gendurable_steps_started_total", "Steps begun.", "fsm", "step"),
    (
        events.outcome_stale,
        "gendurable_stale_outcomes_total",
        "Outcomes whose owner had lost its row.",
        "fsm",
        "step",
        "kind",
    ),
    (events.worker_drain, "gendurable_drains_total", "Drains of workers, by phase.", "phase"),
    (
        events.concurrency_contended,
        "gendurable_concurrency_contended_total",
        "Claims that met in a slot of a key.",
        "key",
    ),
    (
        events.concurrency_throttled,
        "gendurable_concurrency_throttled_total",
        "Instances that were made to wait for a key.",
        "key",
    ),
    (
        events.rate_limit_throttled,
        "gendurable_rate_limit_throttled_total",
        "Instances that were made to wait for tokens.",
        "key",
    ),
    (
        events.rate_limit_unknown,
        "gendurable_rate_limit_unknown_total",
        "Instances that wait for a rate that nobody configures.",
        "key",
    ),
    (events.reaper_reaped, "gendurable_leases_expired_total", "Leases that had expired."),
    (events.schedule_fired, "gendurable_schedules_fired_total", "Instances by schedules."),
    (events.await_timeout, "gendurable_deadlines_passed_total", "Deadlines that passed."),
    (events.gc_swept, "gendurable_gc_deleted_total", "Old instances that were deleted."),
    (events.gc_held, "gendurable_gc_held_total", "Old instances that had to stay."),
    (
        events.fsm_unknown,
        "gendurable_unknown_instances_total",
        "Instances set aside, their step unknown here.",
        "fsm",
        "step",
    ),
    (
        events.state_invalid,
        "gendurable_invalid_instances_total",
        "Instances set aside, their state invalid.",
        "fsm",
        "step",
    ),
)
