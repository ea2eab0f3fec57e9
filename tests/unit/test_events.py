"""Events: who hears them, and that nobody is harmed by who does."""

from __future__ import annotations

import logging

import pytest
from blinker import ANY, NamedSignal

from gendurable import events

NAMES = [
    "step_start",
    "step_stop",
    "outcome_committed",
    "outcome_stale",
    "claim_stop",
    "commit_stop",
    "worker_saturation",
    "worker_drain",
    "concurrency_contended",
    "concurrency_throttled",
    "rate_limit_throttled",
    "rate_limit_unknown",
    "reaper_reaped",
    "schedule_fired",
    "await_timeout",
    "gc_swept",
    "gc_held",
    "fsm_unknown",
    "state_invalid",
]


@pytest.mark.parametrize("name", NAMES)
def test_every_event_is_a_signal(name):
    """The module's attribute is the event's name with an underscore for the dot."""
    event = getattr(events, name)

    assert isinstance(event, NamedSignal)
    assert event.name.replace(".", "_") == name


def test_a_receiver_is_told_the_binding():
    """As the sender, so that it can subscribe to one binding only, and as a field."""
    heard = []

    def receiver(sender, **fields):
        heard.append((sender, fields))

    with events.gc_swept.connected_to(receiver, sender="first"):
        events.emit(events.gc_swept, "first", count=3)
        events.emit(events.gc_swept, "second", count=4)

    assert heard == [("first", {"binding": "first", "count": 3})]


def test_a_receiver_that_raises_harms_nobody(caplog):
    """It is logged, and the other receivers are told all the same."""
    heard = []

    def broken(sender, **fields):
        raise RuntimeError("no")

    def receiver(sender, **fields):
        heard.append(fields["count"])

    with (
        caplog.at_level(logging.ERROR, "gendurable.events"),
        events.gc_held.connected_to(broken, sender=ANY),
        events.gc_held.connected_to(receiver, sender=ANY),
    ):
        events.emit(events.gc_held, "default", count=1)

    assert heard == [1]
    assert "gc.held" in caplog.text
