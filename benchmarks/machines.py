"""The machines that are measured: they do next to nothing, so that only the engine counts."""

from __future__ import annotations

import os

from sqlalchemy import text

import gendurable as gd
from benchmarks.board import PATH, Board

STEPS, LINKS = 5, 10
EFFECT = text("INSERT INTO effect (id, n) VALUES (:id, :n)")
BOARD = Board.here() if PATH in os.environ else None


def count() -> None:
    """Note a unit of work on the board, if this process has one."""
    if BOARD is not None:
        BOARD.count()


class Noop(gd.Job, name="bench.noop"):
    """A job that does nothing."""

    def perform(self, ctx: gd.Context) -> None:
        count()


class Five(gd.FSM, name="bench.five"):
    """Five steps that do nothing but count."""

    n: int = 0

    @gd.step(initial=True)
    def go(self, ctx: gd.Context) -> gd.Outcome:
        count()
        self.n += 1
        return gd.Done() if self.n == STEPS else gd.Next(self.go)


class FiveRows(gd.FSM, name="bench.five_rows"):
    """Five steps that write a row each, in the transaction of their outcome."""

    n: int = 0

    @gd.step(initial=True)
    def go(self, ctx: gd.Context) -> gd.Outcome:
        ctx.session.execute(EFFECT, {"id": ctx.id, "n": self.n})
        count()
        self.n += 1
        return gd.Done() if self.n == STEPS else gd.Next(self.go)


class Chain(gd.FSM, name="bench.chain"):
    """Ten steps, one after the other, each a commit that the next one waits for."""

    n: int = 0

    @gd.step(initial=True)
    def link(self, ctx: gd.Context) -> gd.Outcome:
        self.n += 1
        return gd.Done() if self.n == LINKS else gd.Next(self.link)


class Probe(gd.Job, name="bench.probe"):
    """Says when it starts."""

    sample: int

    def perform(self, ctx: gd.Context) -> None:
        if BOARD is not None:
            BOARD.hit(self.sample)


class Parked(gd.FSM, name="bench.parked"):
    """Waits for a signal, and says when it goes on."""

    sample: int

    @gd.step(initial=True)
    def wait(self, ctx: gd.Context) -> gd.Outcome:
        if BOARD is not None:
            BOARD.park(self.sample)
        return gd.Await("go", then=self.woke)

    @gd.step
    def woke(self, ctx: gd.Context) -> gd.Outcome:
        if BOARD is not None:
            BOARD.hit(self.sample)
        return gd.Done()


class Leaf(gd.FSM, name="bench.leaf"):
    """One child of many."""

    n: int

    @gd.step(initial=True)
    def go(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Done(self.n)


class Fan(gd.FSM, name="bench.fan"):
    """Fans out to many children and adds up what they answer."""

    width: int

    @gd.step(initial=True)
    def spread(self, ctx: gd.Context) -> gd.Outcome:
        return gd.ScheduleChildren([Leaf(n=n) for n in range(self.width)], then=self.join)

    @gd.step
    def join(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Done(sum(child.result for child in ctx.children))
