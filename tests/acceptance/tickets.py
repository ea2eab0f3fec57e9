"""Two machines that wait: one for an answer, one for its children."""

from __future__ import annotations

import gendurable as gd


class Ticket(gd.FSM, name="callers.Ticket"):
    """Waits for an answer, then ends."""

    number: int = 0

    @gd.step(initial=True)
    def start(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Await("answer", self.end)

    @gd.step
    def end(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Done([one.payload for one in ctx.awaited])


class Team(gd.FSM, name="callers.Team"):
    """Waits for its tickets."""

    @gd.step(initial=True)
    def start(self, ctx: gd.Context) -> gd.Outcome:
        return gd.ScheduleChildren([Ticket()], self.end)

    @gd.step
    def end(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Done(len(ctx.children))
