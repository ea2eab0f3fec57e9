"""Delete what ended long ago, a batch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gendurable import events
from gendurable.engine import leases, limits, retention
from gendurable.runtime.loop import Daemon, Outage

if TYPE_CHECKING:
    from gendurable.duties import GcSettings
    from gendurable.runtime.binding import Binding


class Pruner:
    """Sweeps once in an interval, and at once again while there is more than a batch."""

    def __init__(self, binding: Binding, settings: GcSettings, outage: Outage) -> None:
        self._binding = binding
        self._settings = settings
        self.daemon = Daemon(f"{outage.name}-gc", self.tick, outage=outage)

    def tick(self) -> float:
        """Delete one batch, and forget workers that have long been silent."""
        binding, settings = self._binding, self._settings
        with binding.engine.begin() as conn:
            swept, held = retention.sweep(conn, binding.db, settings.retention, settings.batch)
            leases.forget(conn, binding.db)
            limits.forget(conn, binding.db)
        if swept:
            events.emit(events.gc_swept, binding.name, count=swept)
        if held:
            events.emit(events.gc_held, binding.name, count=held)
        return 0.0 if swept >= settings.batch else settings.interval
