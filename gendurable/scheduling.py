"""Schedules, as an application sees them: declared in code, changed and triggered at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, get_args

from gendurable.callers import Caller, Work, carry_out
from gendurable.engine import limits, occurrences, schedules
from gendurable.engine.probes import Probe, word_of
from gendurable.engine.spawning import encode_row
from gendurable.errors import InvalidInput
from gendurable.handle import Handle
from gendurable.operations import Operations
from gendurable.outcomes import KEEP, Keep
from gendurable.queries import schedules as query
from gendurable.queries.enqueue import whole
from gendurable.schedules import Missed, Overlap, ScheduleStatus, status_of
from gendurable.spawn import Key, Spawn, check_name
from gendurable.state import dump_json

if TYPE_CHECKING:
    from gendurable.durable import Durable
    from gendurable.fsm import FSM
    from gendurable.settings import Settings

#: What each instance of a schedule finds in its headers.
_HEADERS = {"schedule", "occurrence", "triggered"}


class Scheduling(Operations):
    """The part of a binding that inserts instances by the clock."""

    settings: Settings
    #: What this binding has declared, by name; workers store it.
    declarations: dict[str, schedules.Declaration]
    probes: tuple[Probe, ...]

    def schedule(
        self,
        name: str,
        obj: FSM,
        *,
        cron: str,
        timezone: str = "UTC",
        missed: Missed = "latest",
        overlap: Overlap = "allow",
        queue: str | None = None,
        priority: int = 0,
        concurrency_key: Key | None = None,
        rate_limit: Key | None = None,
        weight: int = 1,
        headers: dict[str, Any] | None = None,
    ) -> None:
        """Declare that *obj* is inserted at each occurrence of *cron*; touches no database.

        Workers store it, and fire it once per occurrence, however many they are. Its instances
        find ``schedule`` and ``occurrence`` in their headers.

        Args:
            name: what the schedule is called, in the whole database.
            obj: an FSM or Job object; its state now is that of every instance.
            cron: an expression of five fields, or six with seconds before them.
            timezone: the zone in which its times are meant.
            missed: what becomes of occurrences while no worker ran: none of them fires ("skip"),
                the "latest", or "all".
            overlap: whether to "allow" an occurrence while the instance of the one before lives,
                or to "skip" it.
            queue: this and all that follow are as of ``insert``.
            priority: likewise.
            concurrency_key: likewise.
            rate_limit: likewise.
            weight: likewise.
            headers: likewise.

        Raises:
            InvalidInput: an argument is not acceptable, or the name is another declaration's.
            ConfigError: the extra ``gendurable[cron]`` is not installed.
        """
        check_name(name, "name")
        occurrences.check_cron(cron)
        occurrences.check_zone(timezone)
        _check_choice(missed, "missed", Missed)
        _check_choice(overlap, "overlap", Overlap)
        spawn = Spawn(
            obj,
            queue,
            priority,
            concurrency_key=concurrency_key,
            rate_limit=rate_limit,
            weight=weight,
        )
        if spawn.rate_limit is not None:  # what only the database knows is not asked for here
            declared = {name: rate.burst or 0 for name, rate in self.settings.rate_limits.items()}
            limits.check_weight(str(spawn.rate_limit), weight, declared)
        spec = whole(encode_row(spawn, self.settings.max_size))
        _check_headers(headers, self.settings.max_size)
        new = schedules.Declaration(name, cron, timezone, missed, overlap, spec, headers)
        if self.declarations.setdefault(name, new) != new:
            raise InvalidInput(f"name={name!r} is declared already, as another schedule")

    def unschedule(self, name: str, *, session: Caller = None) -> bool:
        """Remove a schedule for good; return whether it was there. Its instances stay.

        Take the declaration out of the code first: a worker that starts stores it again.
        """
        check_name(name, "name")

        def remove(work: Work) -> bool:
            return query.remove(work.conn, self.db, name)

        removed = carry_out(self, session, remove)
        return self.declarations.pop(name, None) is not None or removed

    def pause_schedule(self, name: str, *, session: Caller = None) -> None:
        """Keep a schedule from firing until it is resumed; it can still be triggered.

        Raises:
            NoTarget: there is no such schedule.
        """
        self._edit(session, name, paused=True)

    def resume_schedule(self, name: str, *, session: Caller = None) -> None:
        """Let a schedule fire again, from its next occurrence on; clears ``error``, too.

        Raises:
            NoTarget: there is no such schedule.
        """
        self._edit(session, name, paused=False)

    def edit_schedule(
        self,
        name: str,
        *,
        cron: str | Keep | None = KEEP,
        timezone: str | Keep | None = KEEP,
        session: Caller = None,
    ) -> None:
        """Override when a schedule fires; None removes the override.

        An override wins over what the code declares, now and after later deploys, until it is
        removed.

        Raises:
            NoTarget: there is no such schedule.
            InvalidInput: nothing is to be changed, or a value is not acceptable.
        """
        if cron is KEEP and timezone is KEEP:
            raise InvalidInput("edit_schedule: give cron= or timezone=")
        if not isinstance(cron, Keep) and cron is not None:
            occurrences.check_cron(cron)
        if not isinstance(timezone, Keep) and timezone is not None:
            occurrences.check_zone(timezone)
        self._edit(session, name, cron=cron, timezone=timezone)

    def trigger(self, name: str, *, session: Caller = None) -> Handle:
        """Insert an instance of a schedule now, paused or not, whatever else of it lives.

        What goes along with an insert made here, such as a trace, goes along with it, too.

        Raises:
            NoTarget: there is no such schedule.
            UnknownLimit: nobody configures its rate limit.
            InvalidInput: its weight is above the burst of that by now.
        """
        check_name(name, "name")

        def insert(work: Work) -> int:
            self._ensure(work, name)
            word = word_of(self.probes)
            fired = schedules.trigger(work.conn, self.db, self.settings, name, word)
            work.queues.add(fired.queue)
            return fired.ids[0]

        return Handle(carry_out(self, session, insert), True, cast("Durable", self))

    def schedules(self, *, session: Caller = None) -> list[ScheduleStatus]:
        """Return the schedules that are stored, by name."""

        def read(work: Work) -> list[ScheduleStatus]:
            return [status_of(row) for row in query.everything(work.conn, self.db)]

        return carry_out(self, session, read)

    def _edit(self, session: Caller, name: str, **changes: Any) -> None:
        check_name(name, "name")
        occurrences.need_library("changing a schedule")

        def change(work: Work) -> None:
            self._ensure(work, name)
            schedules.edit(work.conn, self.db, name, **changes)

        carry_out(self, session, change)

    def _ensure(self, work: Work, name: str) -> None:
        """Store what is declared here under *name*, if no worker has done so yet."""
        declared = self.declarations.get(name)
        if declared is not None and not query.lock(work.conn, self.db, [name]):
            schedules.store(work.conn, self.db, [declared])


def _check_choice(value: object, what: str, choices: Any) -> None:
    if value not in get_args(choices):
        raise InvalidInput(f"{what}={value!r} must be one of {', '.join(get_args(choices))}")


def _check_headers(headers: Any, max_size: int) -> None:
    if headers is None:
        return
    if not isinstance(headers, dict):
        raise InvalidInput(f"headers={headers!r} must be a dict")
    if taken := _HEADERS & headers.keys():
        raise InvalidInput(f"headers={headers!r}: the schedule itself sets {', '.join(taken)}")
    dump_json(headers, "headers", max_size=max_size)
