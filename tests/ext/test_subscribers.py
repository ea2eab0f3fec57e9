"""A subscriber that fails harms nothing, whatever it is told."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from sqlalchemy import text

import gendurable as gd
from gendurable import events, testing
from tests.ext.machines import Leaf, Parent, Shaky
from tests.ext.news import NEWS, tell

PACKAGE = Path(gd.__file__).parent


class Failing:
    """Raises whenever it is told anything."""

    def __init__(self) -> None:
        self.told: set[str] = set()

    def receiver(self, name):
        def receiver(sender, **fields):
            self.told.add(name)
            raise RuntimeError(f"told of {name}")

        return receiver


@pytest.fixture
def failing():
    """A failing subscriber to every event there is."""
    failing = Failing()
    receivers = {name: failing.receiver(name) for name in NEWS}
    for name, receiver in receivers.items():
        getattr(events, name).connect(receiver)
    yield failing
    for name, receiver in receivers.items():
        getattr(events, name).disconnect(receiver)


def test_the_examples_are_all_there_is():
    """An event that is added gets its example, and with it its tests."""
    names = {signal.name.replace(".", "_") for signal in events.namespace.values()}

    assert set(NEWS) == names


@pytest.mark.parametrize("name", sorted(NEWS))
def test_every_event_survives_its_subscriber(failing, name, caplog):
    """What it raises is logged under the event's name, and the sender goes on."""
    tell(name)

    assert failing.told == {name}
    assert f"a receiver of {getattr(events, name).name} failed" in caplog.text


def test_work_is_done_all_the_same(durable, failing, eventually):
    """Steps, retries, signals, children, sweeps: all run while every subscriber fails."""
    done = durable.insert(Leaf())
    shaky, parent = durable.insert(Shaky()), durable.insert(Parent())
    unknown = durable.insert(Leaf())
    with durable.engine.begin() as conn:
        conn.execute(
            text("UPDATE gendurable.instances SET step = 'gone' WHERE id = :id"),
            {"id": int(unknown)},
        )

    with durable.worker(queues={"ext": 4}):
        parent.wait(10)
        parent.signal("go")
        for handle in (done, shaky, parent):
            assert handle.wait(10, until="terminal").status == "done"
        eventually(lambda: "fsm_unknown" in failing.told)

    assert failing.told >= {
        "step_start",
        "step_stop",
        "outcome_committed",
        "claim_stop",
        "commit_stop",
        "worker_saturation",
        "worker_drain",
    }


def test_a_drain_survives_too(durable, failing):
    """In a test's own thread as well."""
    durable.insert(Shaky())

    assert testing.drain(durable) == {"retry": 1, "done": 1}
    assert failing.told == {"step_start", "step_stop"}


def test_every_event_is_sent_by_somebody():
    """No event is only promised: somewhere in the package it is named by who sends it."""
    sent = {
        node.attr
        for path in PACKAGE.rglob("*.py")
        if path.parts[len(PACKAGE.parts)] in ("engine", "runtime")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "events"
    }

    assert set(NEWS) <= sent
