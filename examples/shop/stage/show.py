"""One minute in the life of the shop, and the audit after it."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from sqlalchemy import text

from examples.shop.stage import plan
from examples.shop.stage.audit import Check, Outside, audit
from examples.shop.stage.chaos import Chaos
from examples.shop.stage.company import LEASE, Company, company
from examples.shop.stage.customers import Customers
from examples.shop.stage.display import Display, look
from examples.shop.stage.provider import Provider
from examples.shop.stage.story import stories
from examples.shop.stage.timeline import Timeline
from examples.shop.stage.wire import call

#: So long orders and payments come in and no worker is there to take them.
CLOSED = 1.0

#: This share of the kills must have happened when the last customer comes. Where starting a worker
#: takes long, customers come more slowly, so that there is work to be torn out of its hands.
IN_STEP = 0.8


class Show:
    """The show: who is on stage, what they do, and what is said about it afterwards."""

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        self._options = options
        self._console = console
        self._journeys = plan.draw(options.seed, options.orders, options.seconds)
        self._ends = plan.expected(self._journeys)
        self._start = time.monotonic()

    def run(self, logs: Path) -> int:
        """Play it all; return the number of differences that the audit found."""
        self._say("Starting PostgreSQL, the shop and the carrier ...")
        with company(self._options.seed, logs) as stage:
            timeline = Timeline()
            provider = Provider(stage.shop, timeline)
            chaos = Chaos(stage.victim, stage.engine, self._options.seed)
            self._play(stage, timeline, provider, chaos)
            _, carrier = call(f"{stage.carrier}/labels")
            outside = Outside(self._ends, provider.confirmed, carrier["labels"])
            return self._report(stage, outside, carrier, chaos)

    def _play(self, stage: Company, timeline: Timeline, provider: Provider, chaos: Chaos) -> None:
        """Let customers and chaos loose; return when all is quiet again."""
        display = Display(self._console, len(self._ends))
        pace = IN_STEP * self._options.kills / self._options.seconds
        Customers(stage.shop, provider, timeline).set_out(
            self._journeys, may_come=lambda one: chaos.kills >= one.at * pace - 1
        )
        deadline = time.monotonic() + self._options.patience
        time.sleep(CLOSED)
        stage.steady.start()
        stage.victim.start()
        chaos.start()
        try:
            with display.running():
                while not self._is_quiet(stage, timeline, display, chaos):
                    if time.monotonic() > deadline:
                        self._say("[red]This takes too long; here is how it stands.[/]")
                        break
                    time.sleep(0.25)
        finally:
            chaos.stop()
            timeline.close()

    def _is_quiet(self, stage: Company, timeline: Timeline, display: Display, chaos: Chaos) -> bool:
        for error in filter(None, (*timeline.errors, chaos.error)):
            raise error
        for service in stage.dead():
            if service is not stage.victim:
                raise RuntimeError(f"{service.name} has ended:\n{service.last_words()}")
        with stage.engine.connect() as connection:
            now = look(connection)
        display.show(now, chaos.kills)
        enough = chaos.kills >= self._options.kills
        return enough and timeline.is_over() and now.live == 0

    def _report(
        self, stage: Company, outside: Outside, carrier: dict[str, Any], chaos: Chaos
    ) -> int:
        with stage.engine.connect() as connection:
            self._say("\n[bold]A few of the orders[/], as the tables tell it")
            for story in stories(connection):
                self._say(f"\n  {story.title}")
                for at, event in story.events:
                    self._say(f"  {at:7.2f} s  {event}")
            now = look(connection)
            answers = audit(connection, outside)
            crashes = connection.scalar(
                text("SELECT count(*) FROM gendurable.transitions WHERE kind = 'crashed'")
            )
        self._say("\n[bold]The audit[/], differences on the left")
        differences = self._list(answers)
        moods = carrier["moods"]
        self._say(
            f"\n  {now.placed} orders: {now.shipped} shipped, {now.cancelled} cancelled;"
            f" {len(outside.payments)} payments, {now.parcels} parcels\n"
            f"  {chaos.kills} kills with kill -9, lease {LEASE} s: {crashes} executions torn"
            " and run again\n"
            f"  {now.deliveries} webhooks, {now.known} of them redeliveries\n"
            f"  {carrier['requests']} requests to the carrier: {moods.get('down', 0)} refused with"
            f" 503, {moods.get('silent', 0)} not answered, {moods.get('slow', 0)} too late;"
            f" {len(outside.labels)} labels made"
        )
        seconds = time.monotonic() - self._start
        verdict = "nothing lost, nothing doubled" if not differences else "this must not be"
        self._say(f"\n[bold]{differences} differences[/]: {verdict}. {seconds:.0f} s.")
        return differences

    def _list(self, answers: Iterable[tuple[Check, int]]) -> int:
        total = 0
        for check, differences in answers:
            colour = "red" if differences else "green"
            self._say(f"  [{colour}]{differences:3}[/]  {check.claim}")
            total += differences
        return total

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, soft_wrap=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the show; the exit status is 0 if nothing differs."""
    parser = argparse.ArgumentParser(prog="python -m examples.shop", description=__doc__)
    parser.add_argument("--orders", type=int, default=300, help="carts that are sent")
    parser.add_argument("--seconds", type=float, default=40, help="how long orders come in")
    parser.add_argument("--kills", type=int, default=20, help="so many at least")
    parser.add_argument("--seed", type=int, default=2026, help="of all that is drawn by chance")
    parser.add_argument("--patience", type=float, default=240, help="give up after so many seconds")
    options = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    logs, differences = Path(tempfile.mkdtemp(prefix="gendurable-shop-")), None
    try:
        differences = Show(options, Console()).run(logs)
    finally:
        if differences == 0:
            shutil.rmtree(logs)
        else:
            print(f"The logs of all processes are in {logs}.", file=sys.stderr)
    return min(differences, 1)


def _leave(number: int, frame: FrameType | None) -> None:
    """End like ``sys.exit``, so that everything that was started is stopped."""
    sys.exit(128 + number)
