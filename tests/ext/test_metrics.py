"""Metrics of OpenTelemetry, made of the events."""

from __future__ import annotations

import pytest

from gendurable import events, testing
from gendurable.ext.opentelemetry import uninstrument
from tests.ext.machines import Leaf, Shaky
from tests.ext.news import NEWS, tell

COMMON = {"messaging.system": "gendurable", "gendurable.binding": "default"}


def test_steps_are_measured(durable, spans, numbers):
    """How long each took, by machine, step, queue, outcome and error."""
    durable.insert(Shaky())
    testing.drain(durable)

    points = {p.attributes["gendurable.outcome"]: p for p in points_of(numbers)}
    assert set(points) == {"retry", "done"}
    assert points["done"].count == 1
    assert dict(points["retry"].attributes) == {
        **COMMON,
        "messaging.operation.name": "process",
        "messaging.destination.name": "ext",
        "gendurable.fsm": "ext.Shaky",
        "gendurable.step": "start",
        "gendurable.outcome": "retry",
        "error.type": "OSError",
    }


def points_of(numbers):
    return numbers.points("messaging.process.duration")


def test_a_worker_is_measured(durable, spans, numbers, eventually):
    """Claims, commits, outcomes and slots."""
    with durable.worker(queues={"ext": 3}):
        durable.insert(Leaf()).wait(10, until="terminal")
        eventually(lambda: numbers.points("gendurable.outcomes"))
        eventually(lambda: numbers.points("gendurable.commit.duration"))

    (outcome,) = numbers.points("gendurable.outcomes")
    assert (outcome.value, outcome.attributes["gendurable.outcome"]) == (1, "done")
    assert numbers.points("messaging.client.consumed.messages")[0].value == 1
    assert numbers.points("gendurable.slots.limit")[0].value == 3
    assert numbers.points("gendurable.claim.size")[0].sum == 1
    phases = {p.attributes["gendurable.phase"] for p in numbers.points("gendurable.worker.drains")}
    assert phases == {"begin", "end"}


@pytest.mark.parametrize("name", sorted(NEWS))
def test_every_event_is_counted(durable, spans, numbers, name):
    """None of them is passed over, and none of them makes a receiver stumble."""
    before = numbers.names()
    tell(name)

    assert numbers.names() - before


def test_keys_count_under_the_name_of_their_limit(durable, spans, numbers):
    """There are too many of them to be told apart."""
    for tenant in range(3):
        events.emit(events.concurrency_throttled, "default", count=2, key=f"stripe:{tenant}")

    (point,) = numbers.points("gendurable.concurrency.throttled")
    assert (point.value, point.attributes["gendurable.limit"]) == (6, "stripe")


def test_uninstrument_ends_it(durable, spans, numbers):
    """No event is counted any more."""
    uninstrument(durable)
    for name in NEWS:
        tell(name)

    assert numbers.names() == set()
