"""The clock of a worker: there where it is wanted and can be had, and on time."""

from __future__ import annotations

from datetime import datetime

import gendurable as gd
from gendurable.engine import occurrences


class Tick(gd.Job, name="cron.tick"):
    """What a schedule inserts."""

    def perform(self, ctx: gd.Context) -> str:
        return ctx.headers["occurrence"]


def loops(worker: gd.Worker) -> set[str]:
    return {pulse.name.rpartition("-")[2] for pulse in worker.health.loops}


def test_a_worker_fires_on_time(durable, eventually):
    """What is declared is stored, inserted when it is due, announced and run."""
    durable.schedule("often", Tick(), cron="* * * * * *")
    heard = []

    def receiver(sender, **fields):
        heard.append(fields)

    with gd.events.schedule_fired.connected_to(receiver, sender="default"), durable.worker():
        eventually(lambda: heard)
    assert {name: heard[0][name] for name in ("name", "count", "skipped")} == {
        "name": "often",
        "count": 1,
        "skipped": 0,
    }

    (status,) = durable.schedules()
    row = durable.instance(status.last_id)
    due = datetime.fromisoformat(row.headers["occurrence"])
    assert 0 <= (row.inserted_at - due).total_seconds() < 2


def test_it_is_left_out_where_it_is_not_wanted(durable):
    """With ``cron=False`` other workers look after the schedules."""
    with durable.worker() as worker:
        assert "cron" in loops(worker)
    with durable.worker(cron=False) as worker:
        assert "cron" not in loops(worker)


def test_without_the_library_it_is_left_to_others(durable, monkeypatch):
    """A worker that could not read an expression does not set schedules aside."""
    monkeypatch.setattr(occurrences, "available", lambda: False)

    with durable.worker() as worker:
        assert "cron" not in loops(worker)
