"""Metrics for Prometheus: counted from the events, and read from the tables at a scrape."""

from __future__ import annotations

from io import BytesIO

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import create_engine, text

import gendurable as gd
from gendurable import testing
from gendurable.ext.prometheus import MetricsApp, Monitor
from tests.ext.machines import Leaf, Parent, Shaky
from tests.ext.news import NEWS, tell


@pytest.fixture
def registry():
    """A registry of its own."""
    return CollectorRegistry()


@pytest.fixture
def monitor(durable, registry):
    """The test's binding is monitored."""
    monitor = Monitor(durable, registry)
    yield monitor
    monitor.close()


@pytest.fixture
def value(registry):
    """Read one sample; None if there is none."""

    def value(name, **labels):
        return registry.get_sample_value(name, {"binding": "default", **labels})

    return value


class TestEvents:
    def test_steps_and_outcomes_are_counted(self, durable, monitor, value, eventually):
        """By machine, step and kind; durations by queue too."""
        with durable.worker(queues={"ext": 3}):
            durable.insert(Shaky()).wait(10, until="terminal")
            labels = {"fsm": "ext.Shaky", "step": "start"}
            eventually(lambda: value("gendurable_outcomes_total", kind="done", **labels) == 1)

        assert value("gendurable_outcomes_total", kind="retry", **labels) == 1
        steps = {"queue": "ext", "kind": "retry", **labels}
        assert value("gendurable_step_duration_seconds_count", **steps) == 1
        assert value("gendurable_slots", queue="ext") == 3
        assert value("gendurable_claim_size_sum", queue="ext") == 2

    @pytest.mark.parametrize("name", sorted(NEWS))
    def test_every_event_is_counted(self, monitor, registry, name):
        """None of them is passed over, and none of them makes a receiver stumble."""
        before = samples(monitor)
        tell(name)

        assert samples(monitor) - before

    def test_keys_count_under_the_name_of_their_limit(self, monitor, value):
        """There are too many of them to be told apart."""
        tell("rate_limit_throttled")

        assert value("gendurable_rate_limit_throttled_total", limit="stripe") == 2

    def test_closed_it_counts_no_more(self, durable, registry):
        """It leaves its registry, which takes another one."""
        first = Monitor(durable, registry)
        before = samples(first)
        first.close()
        tell("gc_swept")
        Monitor(durable, registry).close()

        assert samples(first) == before


def samples(monitor):
    """Return all that was counted here, without what the tables hold."""
    return {
        (sample.name, tuple(sample.labels.items()), sample.value)
        for metric in monitor._metrics
        for family in metric.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


class TestTables:
    def test_queues_are_read_at_a_scrape(self, durable, monitor, value, conn):
        """What is ready, scheduled, executing or kept from running, and since when."""
        for _ in range(3):
            durable.insert(Leaf())
        durable.insert(Leaf(), delay=60)
        aside = durable.insert(Leaf())
        conn.execute(
            text(
                "UPDATE gendurable.instances SET eligible_at = eligible_at - interval '90 s'"
                " WHERE id = 1"
            )
        )
        conn.execute(
            text("UPDATE gendurable.instances SET blocked = 'unknown' WHERE id = :id"),
            {"id": int(aside)},
        )
        conn.commit()

        def depth(state):
            return value("gendurable_queue_instances", queue="ext", state=state)

        assert [depth(s) for s in ("ready", "scheduled", "unknown", "key")] == [3, 1, 1, None]
        assert 90 <= value("gendurable_queue_oldest_seconds", queue="ext") < 120
        assert value("gendurable_database_up") == 1

    def test_an_idle_queue_is_not_late(self, durable, monitor, value):
        """One that has only scheduled rows has an age of nought."""
        durable.insert(Leaf(), delay=60)

        assert value("gendurable_queue_oldest_seconds", queue="ext") == 0

    def test_statuses_are_counted(self, durable, monitor, value):
        """By machine: parked and ended ones as well."""
        durable.insert(Shaky(end="stop"))
        durable.insert(Parent())
        testing.drain(durable)

        def count(fsm, status):
            return value("gendurable_instances", fsm=fsm, status=status)

        assert count("ext.Shaky", "failed") == 1
        assert count("ext.Parent", "awaiting_signal") == 1
        assert count("ext.Parent", "done") is None

    def test_a_reading_is_kept_for_a_while(self, durable, monitor, value):
        """Two scrapes in a row ask the database once."""
        value("gendurable_database_up")
        durable.insert(Leaf())

        assert value("gendurable_queue_instances", queue="ext", state="ready") is None

    def test_without_a_database_there_is_still_an_answer(self, registry, caplog):
        """What this process has counted; and that the tables could not be read."""
        away = gd.bind(create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none"))
        monitor = Monitor(away, registry)
        tell("gc_swept")

        assert registry.get_sample_value("gendurable_database_up", {"binding": "default"}) == 0
        assert samples(monitor)
        assert "could not be read" in caplog.text
        monitor.close()

    def test_a_table_too_large_to_count_leaves_the_queues(self, durable, monitor, value):
        """The scan is given up and not tried again at the next scrape; queues are told."""
        asked = []

        def slow(conn, db):
            asked.append(db)
            conn.exec_driver_sql("SET LOCAL statement_timeout TO 10; SELECT pg_sleep(5)")

        monitor._census._statuses._read = slow
        durable.insert(Leaf())

        assert value("gendurable_queue_instances", queue="ext", state="ready") == 1
        assert value("gendurable_instances", fsm="ext.Leaf", status="runnable") is None
        assert value("gendurable_database_up") == 1
        assert len(asked) == 1

    def test_only_one_process_needs_to_read(self, durable, registry, value):
        """With tables=False nothing is asked."""
        monitor = Monitor(durable, registry, tables=False)
        durable.insert(Leaf())

        assert value("gendurable_database_up") is None
        monitor.close()


def test_the_application_serves_everything(durable):
    """Each binding, and the process."""
    app = MetricsApp(durable)
    answer: dict[str, object] = {}

    def start_response(status, headers):
        answer.update(status=status, headers=dict(headers))

    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/metrics", "wsgi.input": BytesIO()}
    body = b"".join(app(environ, start_response)).decode()
    app.close()

    assert answer["status"] == "200 OK"
    assert 'gendurable_database_up{binding="default"} 1.0' in body
    assert "python_info" in body
