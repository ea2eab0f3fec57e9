"""What time does to instances: leases lapse, deadlines pass, and the unknown becomes known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gendurable import events
from gendurable.engine import leases, upkeep
from gendurable.runtime.loop import Daemon, Outage

if TYPE_CHECKING:
    from gendurable.duties import ReaperSettings
    from gendurable.runtime.binding import Binding
    from gendurable.runtime.gates import Gates

#: The shortest sleep, in seconds, before a timer: what is due at the same instant goes together.
SHORTEST = 0.005


class Reaper:
    """Looks after rows that no worker holds, once in an interval or when a timer is due."""

    def __init__(
        self, binding: Binding, settings: ReaperSettings, gates: Gates, outage: Outage
    ) -> None:
        self._binding = binding
        self._gates = gates
        self._interval = settings.interval
        self._first = True
        self._analysed = 0
        self.daemon = Daemon(f"{outage.name}-reaper", self.tick, outage=outage)

    def tick(self) -> float:
        """Do each chore in a transaction of its own; one that fails harms no other."""
        failures: list[Exception] = []
        for chore in (self._reap, self._fire, self._take_back, self._refresh):
            try:
                chore()
            except Exception as error:
                failures.append(error)
        if failures:
            raise failures[0]
        with self._binding.engine.begin() as conn:
            soon = leases.next_timer(conn, self._binding.db)
        return self._interval if soon is None else min(self._interval, max(SHORTEST, soon))

    def _reap(self) -> None:
        """Return what dead workers held; then end the sessions in which they may hold locks."""
        binding = self._binding
        with binding.engine.begin() as conn:
            reaped = leases.reap(conn, binding.db, binding.catalogue)
        if reaped.count:
            events.emit(events.reaper_reaped, binding.name, count=reaped.count)
            binding.notifier.announce(reaped.queues)
            self._gates.look(reaped.keys)
            with binding.engine.begin() as conn:
                leases.terminate(conn, reaped.backends)

    def _fire(self) -> None:
        """Wake whoever has waited until its deadline."""
        with self._binding.engine.begin() as conn:
            fired = leases.fire_deadlines(conn, self._binding.db)
        if fired.count:
            events.emit(events.await_timeout, self._binding.name, count=fired.count)
            self._binding.notifier.announce(fired.queues)

    def _refresh(self) -> None:
        """Tell the planner of a table that has outgrown what it knows."""
        with self._binding.engine.begin() as conn:
            self._analysed = upkeep.refresh(conn, self._binding.db, self._analysed)

    def _take_back(self) -> None:
        """Take back what was set aside elsewhere and is known here."""
        with self._binding.engine.begin() as conn:
            known = self._binding.catalogue.known()
            queues = leases.take_back(conn, self._binding.db, known)
            if self._first:  # what did not load may load in the build that starts here
                queues |= leases.take_back(conn, self._binding.db, known, why="invalid")
        self._first = False
        self._binding.notifier.announce(queues)
