"""The carrier: an HTTP process of its own that fails, stalls, forgets to answer, and never errs.

``POST /labels`` makes one label for each ``Idempotency-Key``, however often it is asked.
``GET /labels`` is the list of what it made, for the audit.
"""

from __future__ import annotations

import argparse
import json
import random
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: What the carrier does not take.
UNWANTED = frozenset({"piano"})

#: Longer than the shop is willing to wait.
STALL = 1.0

MOODS = {"obliging": 70, "down": 14, "silent": 8, "slow": 8}


class Office:
    """The carrier's only truth: which key got which label."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self.labels: dict[str, str] = {}
        self.asked: Counter[str] = Counter()
        self.moods: Counter[str] = Counter()

    def mood(self, key: str) -> str:
        """Decide how this request will go, by the seed, the key, and how often it was asked."""
        with self._lock:
            self.asked[key] += 1
            dice = random.Random(f"{self._seed} {key} {self.asked[key]}")
            mood = dice.choices(list(MOODS), weights=list(MOODS.values()))[0]
            self.moods[mood] += 1
            return mood

    def label(self, key: str) -> str:
        """Return the label of this key, made now if it is the first time."""
        with self._lock:
            return self.labels.setdefault(key, f"CR{len(self.labels) + 1:06d}")

    def report(self) -> dict[str, Any]:
        """Say all that the auditor wants to know."""
        with self._lock:
            return {
                "labels": dict(self.labels),
                "requests": self.asked.total(),
                "moods": dict(self.moods),
            }


class Desk(BaseHTTPRequestHandler):
    """One request at the desk."""

    office: Office
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        key = self.headers["Idempotency-Key"]
        goods = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if goods["sku"] in UNWANTED:
            return self._answer(422, {"error": "we do not take this"})
        mood = self.office.mood(key)
        if mood == "down":
            return self._answer(503, {"error": "try again"})
        tracking = self.office.label(key)
        if mood == "silent":  # the label is made, and nobody is told
            self.close_connection = True
            return None
        if mood == "slow":
            time.sleep(STALL)
        return self._answer(201, {"tracking": tracking})

    def do_GET(self) -> None:
        self._answer(200, self.office.report())

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def handle(self) -> None:
        """Serve, and think nothing of a customer who has walked off."""
        with suppress(ConnectionError):
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet; the audit asks for the numbers."""


class Building(ThreadingHTTPServer):
    """A desk for each request, and room to queue for it."""

    daemon_threads = True
    request_queue_size = 128


def open_office(port: int, seed: int) -> Building:
    """Return the carrier's server, listening; ``serve_forever`` runs it."""
    desk = type("Desk", (Desk,), {"office": Office(seed)})
    return Building(("127.0.0.1", port), desk)


def main() -> None:
    """Run the carrier until it is told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    open_office(options.port, options.seed).serve_forever()


if __name__ == "__main__":
    main()
