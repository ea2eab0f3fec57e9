"""The application that is killed, stopped and cut off: machines whose every effect is counted."""

from __future__ import annotations

import sys
import time
from typing import Any

from pydantic import Field
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

import gendurable as gd
from gendurable import events
from gendurable.engine import schedules

TABLES = (
    "CREATE TABLE effects (kind text, instance bigint, n int)",
    "CREATE TABLE attempts (instance bigint, attempt int, claims bigint)",
    "CREATE TABLE gates (instance bigint, attempt int)",
    "CREATE TABLE stale (instance bigint)",
)
EFFECT = text("INSERT INTO effects VALUES (:kind, :instance, :n)")


class Inside(gd.FSM, name="chaos.inside", max_crashes=None):
    """Five steps, each of which leaves a row in the transaction of its outcome."""

    n: int = 0

    @gd.step(initial=True)
    def go(self, ctx: gd.Context) -> gd.Outcome:
        ctx.session.execute(EFFECT, {"kind": "inside", "instance": ctx.id, "n": self.n})
        return _next(self, ctx)


class Outside(gd.FSM, name="chaos.outside", max_crashes=None):
    """The same, but each row is committed on a connection of its own.

    When that one is lost, it is the step's to try again: the engine answers for its session only.
    """

    n: int = 0

    @gd.step(initial=True, retry=gd.Backoff(attempts=20, first=0.05, on=(OperationalError,)))
    def go(self, ctx: gd.Context) -> gd.Outcome:
        with ctx.durable.engine.begin() as conn:
            conn.execute(EFFECT, {"kind": "outside", "instance": ctx.id, "n": self.n})
        return _next(self, ctx)


def _next(machine: Any, ctx: gd.Context) -> gd.Outcome:
    time.sleep(0.01)  # a step that takes its time, so that deaths find it at work
    machine.n += 1
    return gd.Done() if machine.n == 5 else gd.Next(machine.go)


class Gather(gd.FSM, name="chaos.gather"):
    """Gathers numbers from signals until it has as many as it wants."""

    wanted: int
    numbers: list[int] = Field(default_factory=list)

    @gd.step(initial=True)
    def start(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Await("number", then=self.take)

    @gd.step
    def take(self, ctx: gd.Context) -> gd.Outcome:
        self.numbers += [signal.payload for signal in ctx.awaited]
        if len(self.numbers) >= self.wanted:
            return gd.Done(self.numbers)
        return gd.Await("number", then=self.take, consume=True)


class Gate(gd.FSM, name="chaos.gate", max_crashes=None):
    """Says that it has begun, waits until it is let through, and returns which attempt it was."""

    @gd.step(initial=True)
    def start(self, ctx: gd.Context) -> gd.Outcome:
        here = {"instance": ctx.id, "attempt": ctx.attempt}
        with ctx.durable.engine.begin() as conn:
            conn.execute(
                text(
                    "INSERT INTO attempts SELECT :instance, :attempt, claim_seq"
                    " FROM gendurable.instances WHERE id = :instance"
                ),
                here,
            )
        open_ = text("SELECT 1 FROM gates WHERE instance = :instance AND attempt = :attempt")
        while True:
            with ctx.durable.engine.begin() as conn:
                if conn.scalar(open_, here):
                    return gd.Done(ctx.attempt)
            time.sleep(0.01)


class Held(gd.FSM, name="chaos.held", max_crashes=None, history="off"):
    """Some steps of some length, between them a retry or the next one."""

    steps: int = 3
    seconds: float = 0.02

    @gd.step(initial=True)
    def go(self, ctx: gd.Context) -> gd.Outcome:
        time.sleep(self.seconds)
        self.steps -= 1
        if self.steps <= 0:
            return gd.Done()
        return gd.Next(self.go) if self.steps % 2 else gd.Retry()


def bind(url: str) -> gd.Durable:
    """Bind the machines to the database at *url*, with leases that lapse soon."""
    engine = create_engine(url, pool_size=20, max_overflow=10)
    return gd.bind(engine, lease_ttl=2, heartbeat_interval=0.5, poll_max=1)


def serve(url: str, settings: dict[str, Any]) -> None:
    """Be a worker process, which writes down what came too late."""
    durable = bind(url)

    @events.outcome_stale.connect
    def note(sender: str, **fields: Any) -> None:
        with durable.engine.begin() as conn:
            conn.execute(text("INSERT INTO stale VALUES (:id)"), {"id": fields["id"]})

    worker = durable.worker(queues={"default": 5}, gc=False, **settings)
    sys.exit(worker.run())


def send(url: str, targets: list[int], numbers: range) -> None:
    """Be a process that sends numbers, each in a transaction of its own, to one of *targets*."""
    durable = bind(url)
    for number in numbers:
        durable.signal(targets[number % len(targets)], "number", number)


class Tick(gd.Job, name="chaos.tick"):
    """What a schedule of every second inserts."""

    def perform(self, ctx: gd.Context) -> None:
        """Do nothing: that it is there is what counts."""


def clock(url: str) -> None:
    """Be a worker process with a schedule of every second, and slow enough to die at its work.

    Each occurrence is a transaction, which takes its time between the insert and the commit.
    """
    advance = schedules.due.advance

    def slow(*arguments: Any) -> None:
        time.sleep(0.02)
        advance(*arguments)

    schedules.BATCH, schedules.due.advance = 1, slow
    durable = bind(url)
    durable.schedule("often", Tick(), cron="* * * * * *", missed="all")
    sys.exit(durable.worker(queues={"default": 2}, gc=False).run())


class Team(gd.FSM, name="chaos.team", max_crashes=None):
    """Waits for five members, who wait for ever."""

    @gd.step(initial=True)
    def start(self, ctx: gd.Context) -> gd.Outcome:
        return gd.ScheduleChildren([Gather(wanted=1) for _ in range(5)], then=self.end)

    @gd.step
    def end(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Done()


def operate(url: str) -> None:
    """Be a process whose operator ends everybody, puts them back and sets them to their steps."""
    durable = bind(url)
    everybody = gd.Instance.id > 0
    while True:
        durable.cancel(where=everybody, reason="out", cascade=True, by="ada")
        durable.retry(where=everybody, by="ada")
        durable.rewind(where=gd.Instance.parent_id.isnot(None), to="start", by="ada")
