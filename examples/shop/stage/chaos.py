"""Somebody who sits beside one worker and kills it with ``kill -9``, over and over."""

from __future__ import annotations

import random
import threading
import time

from sqlalchemy import Engine, TextClause, text

from examples.shop.stage.processes import Service

#: A worker is killed while it works; one that finds no work for so long is killed anyway.
PATIENCE = 1.0

#: Longer than a worker needs to come up on a machine that has much else to do.
STARTING = 15.0

UP = text("SELECT count(*) FROM gendurable.nodes WHERE name LIKE :name")
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
        self.error: Exception | None = None
        self.kills = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Let it be; the victim stays alive."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                self._wait_for(UP, STARTING)
                self._wait_for(BUSY, PATIENCE)
                if not self._over.wait(self._dice.uniform(0, 0.02)):
                    self._strike()
        except Exception as error:
            self.error = error

    def _strike(self) -> None:
        if self._victim.exit_status is not None:
            raise RuntimeError(f"the victim ended by itself:\n{self._victim.last_words()}")
        self._victim.kill()
        self.kills += 1
        self._victim.start()

    def _wait_for(self, question: TextClause, patience: float) -> None:
        """Return when the answer is more than 0, patience is at its end, or all is over."""
        end = time.monotonic() + patience
        while time.monotonic() < end and not self._count(question):
            if self._over.wait(0.03):
                return

    def _count(self, question: TextClause) -> int:
        with self._engine.connect() as connection:
            return connection.scalar(question, {"name": f"%:{self._victim.pid}:%"}) or 0
