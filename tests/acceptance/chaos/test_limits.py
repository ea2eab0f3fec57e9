"""Limits while workers are killed: never more than allowed, soon all of it again, nobody lost."""

from __future__ import annotations

import os
from collections import Counter
from time import monotonic, sleep

import pytest
from sqlalchemy import text

import gendurable as gd
from tests.acceptance.chaos.app import Held
from tests.acceptance.chaos.limited import GRANTS, TRIGGERS, Monitor

pytestmark = pytest.mark.slow

#: GENDURABLE_LONG=1 makes these tests last a minute each, with six processes.
LONG = bool(os.environ.get("GENDURABLE_LONG"))
PROCESSES = 6 if LONG else 3
SECONDS = 60.0 if LONG else 4.0
PATIENCE = 120

#: Leases of the application last two seconds; a look at what lapsed comes within one more.
HEALED = 3.0
#: What a loaded machine may take for its processes, beyond what the engine is answerable for.
SLACK = 2.0

GATES = {f"gate:{n}": 3 for n in range(2)}
KEYS = {f"key:{n}": 1 for n in range(6)}
WIDTHS = GATES | KEYS


def held(count: int, keys: dict[str, int], urgent: bool = False, **fields: float) -> list[gd.Spawn]:
    """Make *count* rows for each place of each key, mixed."""
    return [
        gd.Spawn(Held(**fields), concurrency_key=key, priority=-urgent)
        for _ in range(count)
        for key, width in keys.items()
        for _ in range(width)
    ]


def kill_often(world, seconds: float, pause: float) -> int:
    """Kill the workers one after the other, each time starting another; return how many."""
    working = [world.worker() for _ in range(PROCESSES)]
    end = monotonic() + seconds
    kills = 0
    while monotonic() < end:
        sleep(pause)
        working.pop(0).end()
        working.append(world.worker())
        kills += 1
    return kills


class TestKeys:
    def test_under_kills(self, world, durable, eventually):
        """Gates of three and keys of one, many kill -9: never more, full width soon, none lost."""
        durable.set_limit("gate", gd.ConcurrencyLimit(3))
        durable.insert_all(held(int(SECONDS * 7), WIDTHS))
        with Monitor(world.engine) as monitor:
            kills = kill_often(world, SECONDS, 0.4)
            healing = monotonic()
            assert monitor.most == WIDTHS
            durable.insert_all(held(6, WIDTHS, urgent=True, seconds=0.2))
            eventually(lambda: monitor.urgent == WIDTHS, HEALED + SLACK)
            healed = monotonic() - healing
            eventually(lambda: world.left() == 0, PATIENCE)
            assert monitor.most == WIDTHS
        print(f"{kills} kills, {monitor.looks} looks, full width after {healed:.2f} s")
        assert world.rows("SELECT 1 FROM gendurable.instances WHERE slot IS NOT NULL") == []

    def test_while_limits_change(self, world, durable, eventually):
        """A limit goes up and down under load: never above the larger, and down to the smaller."""
        durable.set_limit("gate", gd.ConcurrencyLimit(5))
        durable.insert_all(held(int(SECONDS * 30), {"gate": 3}))
        with Monitor(world.engine) as monitor:
            for _ in range(PROCESSES):
                world.worker()
            eventually(lambda: monitor.most.get("gate") == 5, PATIENCE)
            end = monotonic() + SECONDS
            while monotonic() < end:
                for width in (2, 5):
                    durable.set_limit("gate", gd.ConcurrencyLimit(width))
                    sleep(0.4)
            assert monitor.most == {"gate": 5}
            durable.set_limit("gate", gd.ConcurrencyLimit(2))
            eventually(lambda: world.count(EXECUTING) <= 2, PATIENCE)
            monitor.forget()
            sleep(0.5)  # for as long nobody may see more
            assert monitor.most == {"gate": 2}
            began = monotonic()
            durable.set_limit("gate", gd.ConcurrencyLimit(4))
            eventually(lambda: monitor.most == {"gate": 4}, 1 + SLACK)
            print(f"raised after {monotonic() - began:.2f} s")


class TestRates:
    def test_a_bucket_without_refill(self, world, durable, eventually):
        """A hundred keys with five tokens each: exactly five of each start, in all processes."""
        durable.set_limit("five", gd.RateLimit(0, burst=5))
        durable.insert_all(
            [
                gd.Spawn(Held(steps=1, seconds=0), rate_limit=("five", n))
                for _ in range(10)
                for n in range(100)
            ]
        )
        for _ in range(max(4, PROCESSES)):
            world.worker()

        eventually(lambda: world.left() <= 500, PATIENCE)
        eventually(lambda: world.count(FREE) == 0, PATIENCE)
        sleep(1.5)  # longer than a sweep, in which more might start
        left = Counter(
            key
            for (key,) in world.rows(
                "SELECT rate_limit FROM gendurable.instances WHERE status <> 'done'"
            )
        )
        assert set(left.values()) == {5}
        assert len(left) == 100

    def test_a_window_of_any_length(self, world, durable, eventually):
        """50 a second, 10 at once: no window has more than 10 + 50 T, and hardly any are wasted."""
        seconds = SECONDS if LONG else 5.0
        with world.engine.begin() as conn:
            for statement in TRIGGERS:
                conn.execute(text(statement))
        for _ in range(PROCESSES):
            world.worker()
        eventually(lambda: world.count("FROM gendurable.nodes") == PROCESSES, PATIENCE)
        durable.set_limit("fifty", gd.RateLimit(50, burst=10))
        rows = int(10 + 50 * seconds) + 100
        durable.insert_all(
            [gd.Spawn(Held(steps=1, seconds=0), rate_limit="fifty") for _ in range(rows)]
        )
        sleep(seconds)

        grants = world.rows(GRANTS)
        begin = float(str(grants[0][0]))
        taken = [(float(str(at)) - begin, int(str(n))) for at, n in grants]
        excess = 0.0
        for first in range(len(taken)):
            total = 0
            for at, n in taken[first:]:
                total += n
                excess = max(excess, total - (10 + 50 * (at - taken[first][0])))
        used = sum(n for at, n in taken if at <= seconds) / (10 + 50 * min(seconds, taken[-1][0]))
        print(f"{used:.1%} used, excess {excess:.4f}")
        assert excess < 0.001
        assert used >= 0.9


EXECUTING = "FROM gendurable.instances WHERE status = 'executing'"
FREE = (
    "FROM gendurable.instances WHERE status = 'executing' OR blocked IS NULL AND status <> 'done'"
)
