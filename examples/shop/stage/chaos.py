"""Somebody who sits beside one worker and kills it with ``kill -9``, over and over."""

from __future__ import annotations

import random
import threading
import time

from sqlalchemy import Engine, text

from examples.shop.stage.processes import Service

#: A worker is killed while it works; one that found no work for so long is killed anyway.
PATIENCE = 2.0

BUSY = text(
    "SELECT count(*) FROM gendurable.instances WHERE status = 'executing' AND locked_by LIKE :name"
)


class Chaos:
    """Kills the victim as soon as it holds work, and starts it again at once."""

    def __init__(self, victim: Service, engine: Engine, seed: int) -> None:
        self._victim = victim
        self._engine = engine
        self._dice = random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chaos", daemon=True)
        self.kills = 0
        self.torn = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Let it be; the victim stays alive."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            self._wait_until_busy()
            if self._over.wait(self._dice.uniform(0, 0.3)):
                return
            pid = self._victim.pid
            self._victim.kill()
            self.kills += 1
            self.torn += self._held_by(pid)
            self._victim.start()

    def _wait_until_busy(self) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and not self._held_by(self._victim.pid):
            if self._over.wait(0.05):
                return

    def _held_by(self, pid: int | None) -> int:
        with self._engine.connect() as connection:
            return connection.scalar(BUSY, {"name": f"%{pid}%"}) or 0
