"""Operators that die in the middle of a bulk operation, while workers run what they move."""

from __future__ import annotations

import random
import time

import pytest

from tests.acceptance.chaos import app
from tests.acceptance.chaos.conftest import FORKS

pytestmark = pytest.mark.slow

KILLS = 8
TEAMS = 100

#: Instances whose last entry by a hand does not say what their status is.
LIARS = """
    FROM gendurable.instances AS i JOIN LATERAL (
        SELECT kind FROM gendurable.transitions WHERE instance_id = i.id AND made_by = 'ada'
        ORDER BY id DESC LIMIT 1) AS last ON true
    WHERE (last.kind = 'cancelled') <> (i.status = 'cancelled')"""
#: Parents that wait for another number of children than live.
BARRIERS = """
    FROM gendurable.instances AS p WHERE status = 'awaiting_children' AND children_pending <> (
        SELECT count(*) FROM gendurable.instances AS c WHERE c.parent_id = p.id
        AND c.parent_round = p.round AND c.status NOT IN ('done', 'failed', 'cancelled'))"""


class TestOperators:
    def test_who_dies_at_work_leaves_whole_instances(self, world, durable, eventually):
        """Kill -9 leaves each instance with its change and its entry, or with neither.

        Two workers run meanwhile; after the last death everybody goes on to where they belong.
        """
        durable.insert_all([app.Team() for _ in range(TEAMS)])
        for _ in range(2):
            world.worker()
        eventually(lambda: world.count("FROM gendurable.instances") == 6 * TEAMS, 60)
        deaths = set()
        chance = random.Random(4711)
        for _ in range(KILLS):
            entries = world.count("FROM gendurable.transitions")
            process = FORKS.Process(target=app.operate, args=(world.url,))
            process.start()
            eventually(lambda n=entries: world.count("FROM gendurable.transitions") > n, 60)
            time.sleep(chance.random())  # a round of all three takes about as long
            process.kill()
            process.join()
            deaths.add(world.count("FROM gendurable.instances WHERE status = 'cancelled'"))
            assert world.count(LIARS) == 0
            assert world.count(BARRIERS) == 0
        assert len(deaths) > 1, "they all died at the same point"

        durable.retry(where=durable.Instance.id > 0, by="ada")

        eventually(
            lambda: world.count("FROM gendurable.instances WHERE status = 'runnable'") == 0, 60
        )
        assert [one.text for one in durable.doctor() if one.level == "violated"] == []
