"""The machines that are measured: they do next to nothing, so that only the engine counts."""

from __future__ import annotations

from sqlalchemy import text

import gendurable as gd

STEPS = 5
EFFECT = text("INSERT INTO effect (id, n) VALUES (:id, :n)")


class Noop(gd.Job, name="bench.noop"):
    """A job that does nothing."""

    def perform(self, ctx: gd.Context) -> None:
        """Do nothing."""


class Five(gd.FSM, name="bench.five"):
    """Five steps that do nothing but count."""

    n: int = 0

    @gd.step(initial=True)
    def go(self, ctx: gd.Context) -> gd.Outcome:
        """Count, and end with the last one."""
        self.n += 1
        return gd.Done() if self.n == STEPS else gd.Next(self.go)


class FiveRows(gd.FSM, name="bench.five_rows"):
    """Five steps that write a row each, in the transaction of their outcome."""

    n: int = 0

    @gd.step(initial=True)
    def go(self, ctx: gd.Context) -> gd.Outcome:
        """Write a row, and end with the last one."""
        ctx.session.execute(EFFECT, {"id": ctx.id, "n": self.n})
        self.n += 1
        return gd.Done() if self.n == STEPS else gd.Next(self.go)
