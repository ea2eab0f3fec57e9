"""The progress of the show: a live panel on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from sqlalchemy import Connection, text

NUMBERS = text("""
SELECT (SELECT count(*) FROM orders) AS placed,
       (SELECT count(*) FROM orders WHERE status = 'shipped') AS shipped,
       (SELECT count(*) FROM orders WHERE status = 'cancelled') AS cancelled,
       (SELECT count(*) FROM parcels) AS parcels,
       (SELECT count(*) FROM deliveries) AS deliveries,
       (SELECT count(*) FROM deliveries WHERE answer = 'known') AS known,
       (SELECT count(*) FROM gendurable.instances
        WHERE status NOT IN ('done', 'failed', 'cancelled')) AS live,
       (SELECT count(*) FROM gendurable.instances WHERE status = 'executing') AS executing
""")


@dataclass(frozen=True)
class Progress:
    """How far the show has come."""

    placed: int
    shipped: int
    cancelled: int
    parcels: int
    deliveries: int
    known: int
    live: int
    executing: int

    @property
    def ended(self) -> int:
        """Orders that have seen their end."""
        return self.shipped + self.cancelled


def look(connection: Connection) -> Progress:
    """Read the progress from the tables."""
    return Progress(**connection.execute(NUMBERS).mappings().one())


class Display:
    """Shows the progress, as often as it pays."""

    def __init__(self, console: Console, orders: int) -> None:
        self._console = console
        self._orders = orders
        self._start = time.monotonic()
        self._live: Live | None = None
        self._next_line = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Keep the panel on the screen meanwhile."""
        if not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, transient=True, refresh_per_second=4) as self._live:
            yield

    def show(self, now: Progress, kills: int) -> None:
        """Show how far we are."""
        seconds = time.monotonic() - self._start
        if self._live is not None:
            self._live.update(self._panel(now, kills, seconds))
        elif seconds >= self._next_line:
            self._next_line = seconds + 5
            self._console.print(
                f"{seconds:4.0f} s  {now.placed:3} orders, {now.ended:3} of {self._orders} ended,"
                f" {now.parcels:3} parcels, {now.deliveries:3} webhooks, {kills:2} kills",
                highlight=False,
            )

    def _panel(self, now: Progress, kills: int, seconds: float) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_row(
            "orders ended",
            ProgressBar(total=self._orders, completed=now.ended, width=40),
            f"{now.ended} of {self._orders}",
        )
        facts = {
            "orders": f"{now.placed} placed, {now.shipped} shipped, {now.cancelled} cancelled",
            "parcels": f"{now.parcels}",
            "webhooks": f"{now.deliveries}, {now.known} of them redelivered",
            "machines": f"{now.live} live, {now.executing} executing now",
            "kill -9": f"[bold red]{kills}[/]",
            "time": f"{seconds:.0f} s",
        }
        for name, value in facts.items():
            table.add_row(name, value)
        return table
