"""Health over HTTP: what a probe is told, and when it is told that something is wrong."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection
from typing import Any

import pytest

import gendurable as gd
from gendurable.runtime.health import Health, HealthServer
from gendurable.runtime.loop import PATIENCE, Daemon, Pulse

WELL = Health(True, "host:1:abc", False, 3, 0, None, (Pulse("claim", True, 0.0, None),))


class Told:
    """A server whose worker is as the test says."""

    def __init__(self) -> None:
        self.health = WELL
        self.server = HealthServer(lambda: self.health, "127.0.0.1", 0)

    def ask(self, path: str = "/healthz", method: str = "GET") -> tuple[int, Any]:
        connection = HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, json.loads(body) if body.startswith(b"{") else body


@pytest.fixture
def told() -> Iterator[Told]:
    told = Told()
    yield told
    told.server.close()


class TestHealthz:
    def test_says_how_a_worker_is_that_is_well(self, told):
        """200, and the details as JSON."""
        status, body = told.ask("/healthz?from=probe")

        assert status == 200
        assert (body["ok"], body["worker"], body["held"]) == (True, "host:1:abc", 3)
        assert body["loops"] == [
            {"name": "claim", "alive": True, "late": 0.0, "error": None, "ok": True}
        ]

    def test_fails_when_something_is_wrong(self, told):
        """503, with the loop that does not turn marked."""
        late = Pulse("commit", True, PATIENCE + 1, "TimeoutError: no answer")
        told.health = replace(WELL, ok=False, loops=(*WELL.loops, late))

        status, body = told.ask()

        assert status == 503
        assert [one["name"] for one in body["loops"] if not one["ok"]] == ["commit"]

    def test_answers_a_probe_that_wants_no_body(self, told):
        """HEAD is told the status alone."""
        assert told.ask(method="HEAD") == (200, b"")

    def test_knows_no_other_page(self, told):
        """404 for all else."""
        assert told.ask("/")[0] == 404

    def test_a_port_that_is_taken_is_a_wrong_setting(self):
        """It names the port, and the worker does not start."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(gd.ConfigError, match=f"health_port={port}"):
                HealthServer(lambda: WELL, "127.0.0.1", port)


def test_a_loop_that_hangs_in_its_turn_is_late(monkeypatch):
    """However alive its thread is: it has not turned for longer than it should."""
    from gendurable.runtime import loop

    now = [0.0]
    monkeypatch.setattr(loop, "monotonic", lambda: now[0])
    pulses: list[Pulse] = []

    def tick() -> None:
        pulses.append(daemon.pulse)
        now[0] = PATIENCE + 1
        pulses.append(daemon.pulse)

    daemon = Daemon("slow", tick)
    daemon.turn()

    assert [pulse.late for pulse in pulses] == [0.0, PATIENCE + 1]
    assert not replace(pulses[1], alive=True).ok
    assert replace(pulses[0], alive=True).ok
