"""What the tables hold, as metrics of Prometheus, read when it is asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gendurable.queries import gauges

if TYPE_CHECKING:
    from gendurable.durable import Durable
    from gendurable.queries.statement import Database

_log = logging.getLogger("gendurable")

#: What a scrape may cost the database at most, in milliseconds, before it goes without an answer.
PATIENCE = 5_000
#: A reading is good for so many seconds, and for so many times as long as it took or was tried.
QUEUES, STATUSES, SHARE = 5.0, 60.0, 100.0
#: But no longer than this, in seconds.
LONGEST = 600.0


class _Reading:
    """The answer to one question, kept for a while: scrapers are many, and may be impatient."""

    def __init__(self, read: Callable[[Connection, Database], Sequence[Any]], age: float) -> None:
        self._read = read
        self._age = age
        self._rows: Sequence[Any] | None = None
        self._until = 0.0

    def rows(self, durable: Durable) -> Sequence[Any] | None:
        """Return the rows, from the tables if those at hand are old; None: there is no answer."""
        began = monotonic()
        if began < self._until:
            return self._rows
        self._rows = None
        try:
            with durable.engine.begin() as conn:
                conn.exec_driver_sql(f"SET LOCAL statement_timeout TO {PATIENCE}")
                self._rows = self._read(conn, durable.db)
        except SQLAlchemyError as error:
            _log.warning("the tables could not be read for a scrape: %s", error)
        ended = monotonic()
        self._until = ended + min(LONGEST, max(self._age, SHARE * (ended - began)))
        return self._rows


class Census:
    """Counts queues and statuses at a scrape; seldom enough to take a hundredth of a backend."""

    def __init__(self, durable: Durable) -> None:
        self._durable = durable
        self._lock = Lock()
        self._queues = _Reading(gauges.queues, QUEUES)
        self._statuses = _Reading(gauges.statuses, STATUSES)

    def collect(self) -> Iterable[Metric]:
        """Return the gauges; without those that the database gave no answer for."""
        binding = self._durable.name
        up = GaugeMetricFamily(
            "gendurable_database_up", "Whether the queues could be read.", labels=["binding"]
        )
        with self._lock:
            queues = self._queues.rows(self._durable)
            statuses = None if queues is None else self._statuses.rows(self._durable)
        up.add_metric([binding], float(queues is not None))
        return [
            up,
            *(_of_queues(binding, queues) if queues is not None else ()),
            *(_of_statuses(binding, statuses) if statuses is not None else ()),
        ]


def _of_queues(binding: str, rows: Sequence[Any]) -> list[Metric]:
    depth = GaugeMetricFamily(
        "gendurable_queue_instances",
        "What a queue has to do: ready, scheduled, executing, or waiting for key, rate, code"
        " (unknown) or mending (invalid).",
        labels=["binding", "queue", "state"],
    )
    oldest = GaugeMetricFamily(
        "gendurable_queue_oldest_seconds",
        "How long the oldest ready instance has been due.",
        labels=["binding", "queue"],
    )
    ages: dict[str, float] = {}
    for queue, state, count, age in rows:
        depth.add_metric([binding, queue, state], count)
        ages[queue] = max(ages.get(queue, 0.0), age or 0.0)
    for queue, age in ages.items():
        oldest.add_metric([binding, queue], age)
    return [depth, oldest]


def _of_statuses(binding: str, rows: Sequence[Any]) -> list[Metric]:
    family = GaugeMetricFamily(
        "gendurable_instances",
        "Instances in the table.",
        labels=["binding", "fsm", "status"],
    )
    for fsm, status, count in rows:
        family.add_metric([binding, fsm, status], count)
    return [family]
