"""The clock: what is scheduled is inserted when it is due, whichever worker comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gendurable import events
from gendurable.engine import schedules
from gendurable.engine.probes import word_of
from gendurable.queries.due import next_due
from gendurable.runtime.loop import Daemon, Outage

if TYPE_CHECKING:
    from gendurable.duties import CronSettings
    from gendurable.engine.schedules import Declaration
    from gendurable.runtime.binding import Binding

#: The shortest sleep, in seconds, before an occurrence: those of one instant go together.
SHORTEST = 0.005
#: How many transactions a turn makes before it ends, so that the loop is seen to turn.
LONGEST = 100


class Cron:
    """Stores what is declared, and fires what is due, exactly when it is."""

    def __init__(self, binding: Binding, settings: CronSettings, outage: Outage) -> None:
        self._binding = binding
        self._interval = settings.interval
        self._stored: dict[str, Declaration] = {}
        self.daemon = Daemon(f"{outage.name}-cron", self.tick, outage=outage)

    def tick(self) -> float:
        """Fire each schedule that is due in a transaction of its own."""
        self._store()
        binding = self._binding
        for _ in range(LONGEST):
            with binding.engine.begin() as conn:
                soon = next_due(conn, binding.db)
            if soon is None or soon > 0:
                return self._interval if soon is None else min(self._interval, max(SHORTEST, soon))
            if not self._fire():
                return SHORTEST  # another node has what is due under its lock
        return 0.0

    def _store(self) -> None:
        """Store declarations that are new, also those that were made after the start."""
        declared = dict(self._binding.declarations)
        news = [one for name, one in declared.items() if self._stored.get(name) is not one]
        if news:
            with self._binding.engine.begin() as conn:
                schedules.store(conn, self._binding.db, news)
        self._stored = declared

    def _fire(self) -> bool:
        with self._binding.engine.begin() as conn:
            fired = schedules.fire(conn, self._binding.db, word_of(self._binding.probes))
        if fired is None:
            return False
        events.emit(
            events.schedule_fired,
            self._binding.name,
            count=len(fired.ids),
            skipped=fired.skipped,
            name=fired.name,
        )
        if fired.ids:
            self._binding.notifier.announce({fired.queue})
        return True
