"""Firing what waits for its time: deadlines and schedules."""

from __future__ import annotations

from sqlalchemy import func

from gendurable.durable import Durable
from gendurable.engine import leases, schedules
from gendurable.lifecycle import PARKED
from gendurable.queries import timers
from gendurable.testing.clock import bring_forward
from gendurable.testing.reach import Place
from gendurable.testing.stage import staged


def fire_timeouts(durable: Durable, *, early: bool = True, session: Place = None) -> int:
    """Wake what is parked with a timeout; return how many instances that were.

    Args:
        durable: the binding.
        early: whether to fire deadlines that have not passed yet, as if the time had come;
            False leaves those alone, as a worker does (see ``elapse``).
        session: a session or connection of the test.
    """
    with staged(durable, session) as binding, binding.engine.begin() as conn:
        if early:
            rows = binding.Instance.__table__.c
            bring_forward(conn, rows.deadline, func.max, rows.status.in_(PARKED))
        count = 0
        while woken := timers.fire(conn, binding.db, leases.BATCH):
            count += len(woken)
        return count


def fire_schedules(durable: Durable, *, session: Place = None) -> list[int]:
    """Insert what is due of schedules, as a worker does; return the ids of the new instances.

    What is declared is stored first. ``drain`` inserts nothing by itself: use ``elapse`` to let
    occurrences come, this to insert them, and ``drain`` to run them.

    Args:
        durable: the binding.
        session: a session or connection of the test.
    """
    ids: list[int] = []
    with staged(durable, session) as binding, binding.engine.begin() as conn:
        schedules.store(conn, binding.db, binding.declarations.values())
        while fired := schedules.fire(conn, binding.db):
            ids += fired.ids
    return ids
