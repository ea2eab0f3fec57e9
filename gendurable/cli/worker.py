"""``gendurable worker``: run a worker, or several under a supervisor, from a shell."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from gendurable.cli.group import Wrong
from gendurable.cli.target import Target
from gendurable.engine import leases
from gendurable.errors import GenDurableError
from gendurable.ext.logging import TextFormatter
from gendurable.runtime.supervisor import Supervisor, report

if TYPE_CHECKING:
    from gendurable.durable import Durable


class Queue(click.ParamType[Any]):
    """A queue and how many of its steps run at once: ``default=10``."""

    name = "name=slots"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Return the name and the number."""
        name, equals, slots = str(value).rpartition("=")
        if not equals or not slots.isdecimal():
            self.fail(f"{value!r} should look like default=10", param, ctx)
        return name, int(slots)


@click.command(short_help="Run a worker, or several under a supervisor.")
@click.argument("target", type=Target())
@click.option("-q", "--queue", "queues", type=Queue(), multiple=True, help="[default: default=10]")
@click.option("--processes", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--reaper/--no-reaper", default=True, help="Return expired leases, fire deadlines.")
@click.option("--gc/--no-gc", default=True, help="Delete what ended long ago.")
@click.option("--cron/--no-cron", default=True, help="Insert what is scheduled.")
@click.option("--health-port", type=int, help="Answer /healthz here; the next process, one above.")
@click.option("--health-host", default="127.0.0.1", show_default=True, help="For /healthz.")
def worker(
    target: Durable,
    queues: tuple[tuple[str, int], ...],
    processes: int,
    health_port: int | None,
    health_host: str,
    **roles: bool,
) -> None:
    """Run a worker for the binding TARGET, such as myapp:durable.

    SIGTERM and SIGINT let running steps finish, then end it; a second signal ends it at once.
    /healthz answers 200 while all is well and 503 when a loop has not turned for too long.

    \b
    Examples:
      gendurable worker myapp:durable
      gendurable worker myapp:durable -q default=10 -q mail=2 --processes 4
      gendurable worker myapp:durable --health-port 8080 --health-host 0.0.0.0
    """
    if not logging.getLogger().handlers:  # an application that set up its logging keeps it
        handler = logging.StreamHandler()
        handler.setFormatter(TextFormatter())
        logging.basicConfig(level=logging.INFO, handlers=[handler])
    options: dict[str, Any] = {**roles, "health_port": health_port, "health_host": health_host}
    if queues:
        options["queues"] = dict(queues)
        if twice := [name for name, n in Counter(name for name, _ in queues).items() if n > 1]:
            raise Wrong(f"the queue {twice[0]!r} is given more than once")
    try:
        worker = target.worker(**options)
    except GenDurableError as error:
        raise click.ClickException(str(error)) from error
    if processes > 1:
        sys.exit(Supervisor(_alone(processes, health_port), partial(_bury, target)).run())
    report(worker.name, lambda: worker.leave("the supervisor is gone"))
    try:
        status = worker.run()
    except GenDurableError as error:
        raise click.ClickException(str(error)) from error
    sys.exit(status)


def _alone(processes: int, health_port: int | None) -> Iterator[list[str]]:
    """Yield the command line of each child: this one's, for a single process."""
    for n in range(processes):
        port = [] if health_port is None else ["--health-port", str(health_port + n)]
        yield [sys.executable, "-m", "gendurable.cli", *sys.argv[1:], "--processes", "1", *port]


def _bury(target: Durable, worker: str) -> None:
    """Free the rows of a worker that was seen to end."""
    with target.engine.begin() as conn:
        leases.bury(conn, target.db, worker)
