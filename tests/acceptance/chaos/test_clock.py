"""Schedules while workers die: each occurrence is there, and there once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from tests.acceptance.chaos import app

pytestmark = pytest.mark.slow

#: These take their time on a loaded machine.
PATIENCE = 60

KILLS = 12
OCCURRENCES = 200


class TestClock:
    def test_every_occurrence_is_fired_once(self, world, durable, eventually):
        """Three workers, twelve kill -9, 200 occurrences that are due: an instance of each.

        More become due meanwhile, which count as well: there is no gap, and none is there twice.
        """
        durable.schedule("often", app.Tick(), cron="* * * * * *", missed="all")
        durable.pause_schedule("often")  # until all are there to compete for it
        working = [world.clock() for _ in range(3)]
        eventually(lambda: world.count("FROM gendurable.nodes") == 3, PATIENCE)
        with world.engine.begin() as conn:
            start = conn.scalar(BEGIN, {"ago": OCCURRENCES - 1})

        for kill in range(1, KILLS + 1):
            some = kill * OCCURRENCES // (KILLS + 1)
            eventually(lambda some=some: len(occurrences(world)) >= some, PATIENCE)
            assert len(occurrences(world)) < OCCURRENCES
            working.pop(0).end()
            working.append(world.clock())
        eventually(lambda: len(occurrences(world)) > OCCURRENCES, PATIENCE)
        durable.pause_schedule("often")
        eventually(lambda: world.left() == 0, PATIENCE)

        found = sorted(occurrences(world))
        assert found == [start + timedelta(seconds=n) for n in range(len(found))]
        (status,) = durable.schedules()
        assert status.fired == len(found)


BEGIN = text(
    "UPDATE gendurable.schedules SET paused_at = NULL, next_at ="
    " date_trunc('second', statement_timestamp() - :ago * interval '1 second') RETURNING next_at"
)


def occurrences(world) -> list[datetime]:
    rows = world.rows("SELECT headers ->> 'occurrence' FROM gendurable.instances")
    return [datetime.fromisoformat(str(one)) for (one,) in rows]
