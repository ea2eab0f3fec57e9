"""Machines for traces and metrics."""

from __future__ import annotations

import asyncio
import logging
import time

from opentelemetry import trace

import gendurable as gd

#: What somebody else's library logs.
LIBRARY = logging.getLogger("some.library")


class Parent(gd.FSM, name="ext.Parent", queue="ext"):
    """Waits for a signal, has two children, one of them inserted by hand, and ends."""

    @gd.step(initial=True)
    def start(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Await("go", then=self.spread)

    @gd.step
    def spread(self, ctx: gd.Context) -> gd.Outcome:
        with trace.get_tracer("test").start_as_current_span("nested"):
            ctx.durable.insert(Leaf(), session=ctx.session)
        return gd.ScheduleChildren([Leaf()], then=self.finish)

    @gd.step
    def finish(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Done()


class Leaf(gd.FSM, name="ext.Leaf", queue="ext"):
    """One async step."""

    @gd.step
    async def start(self, ctx: gd.Context) -> gd.Outcome:
        LIBRARY.warning("a leaf")
        return gd.Done(trace.get_current_span().get_span_context().span_id)


class Shaky(gd.FSM, name="ext.Shaky", queue="ext"):
    """Fails once, then answers as it is told."""

    end: str = "done"

    @gd.step(retry=gd.Backoff(attempts=2, first=0))
    def start(self, ctx: gd.Context) -> gd.Outcome:
        LIBRARY.warning("attempt %d", ctx.attempt)
        if ctx.attempt == 0:
            raise OSError("the line is down")
        return gd.Done() if self.end == "done" else gd.Stop("enough")


class Lost(gd.FSM, name="ext.Lost", queue="ext"):
    """Finds that somebody else has its row."""

    @gd.step
    def start(self, ctx: gd.Context) -> gd.Outcome:
        raise gd.LeaseLost("gone")


class Slow(gd.Job, name="ext.Slow", queue="ext", max_attempts=1, step_timeout=0.1):
    """Takes longer than it may."""

    def perform(self, ctx: gd.Context) -> None:
        time.sleep(0.3)


class SlowAsync(gd.Job, name="ext.SlowAsync", queue="ext", max_attempts=1, step_timeout=0.1):
    """The same on the event loop."""

    async def perform(self, ctx: gd.Context) -> None:
        await asyncio.sleep(30)
