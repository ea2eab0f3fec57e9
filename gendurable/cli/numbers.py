"""``gendurable queues`` and ``stats``: how much of what there is, and who works on it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from gendurable.cli.output import ago, coloured, json_option, print_json, table
from gendurable.cli.target import Target
from gendurable.engine.numbers import silence
from gendurable.lifecycle import PARKED, Status

if TYPE_CHECKING:
    from gendurable.durable import Durable
    from gendurable.engine.numbers import Count, Held


@click.command(short_help="List queues: what is due, what waits, who serves them.")
@click.argument("target", type=Target())
@json_option
def queues(target: Durable, as_json: bool) -> None:
    """List the queues with live instances: what is due, what waits, who serves them.

    \b
    Examples:
      gendurable queues myapp:durable
      gendurable queues myapp:durable --json | jq '.[] | select(.workers == 0)'
    """
    stats = target.stats()
    silent = silence(target.settings)
    live = [one for one in stats.workers if one.beat < silent]
    counts: dict[str, list[Count]] = defaultdict(list)
    held = {one.queue: one for one in stats.held}
    for queue in sorted({queue for one in live for queue in one.queues} | held.keys()):
        counts[queue] = []
    for one in stats.counts:
        counts[one.queue].append(one)
    rows = [
        _queue(name, own, sum(name in worker.queues for worker in live), held.get(name))
        for name, own in counts.items()
    ]
    if as_json:
        print_json(rows)
        return
    heads = ("queue", "due", "oldest", "later", "executing", "parked", "blocked", "paused")
    lines = (
        (
            r["queue"],
            r["due"],
            ago(r["oldest"]),
            r["later"],
            *(r[name] for name in heads[4:]),
            r["workers"],
            _held(r["held"]),
        )
        for r in rows
    )
    table((*heads, "workers", "held"), lines, empty="no queues")


def _held(held: Held | None) -> str:
    if held is None:
        return ""
    by, reason = f" by {held.by}" if held.by else "", f": {held.reason}" if held.reason else ""
    return f"for {ago(held.age)}{by}{reason}"


def _queue(name: str, counts: list[Count], workers: int, held: Held | None) -> dict[str, Any]:
    """Return the numbers of one queue."""
    by = {one.status: one for one in counts}
    runnable = by.get(Status.RUNNABLE)
    due, blocked, paused = (
        (0, 0, 0) if runnable is None else (runnable.due, runnable.blocked, runnable.paused)
    )
    return {
        "queue": name,
        "due": due,
        "oldest": max(0.0, runnable.oldest) if runnable is not None and due else None,
        "later": 0 if runnable is None else max(0, runnable.count - due - blocked - paused),
        "executing": sum(one.count for one in counts if one.status == Status.EXECUTING),
        "parked": sum(one.count for one in counts if one.status in PARKED),
        "blocked": blocked,
        "paused": sum(one.paused for one in counts),
        "workers": workers,
        "held": held,
    }


@click.command(short_help="Count instances, what ended lately, and workers.")
@click.argument("target", type=Target())
@json_option
def stats(target: Durable, as_json: bool) -> None:
    """Count instances by queue and status, what has ended lately, and the workers.

    Ages are of the oldest: since it was due, or since it came to its status.

    \b
    Examples:
      gendurable stats myapp:durable
      watch -c gendurable stats myapp:durable
    """
    found = target.stats()
    silent = silence(target.settings)
    if as_json:
        print_json(
            {
                "counts": found.counts,
                "ended": {
                    status: {"minute": minute, "hour": hour}
                    for status, (minute, hour) in found.ended.items()
                },
                "workers": [asdict(one) | {"silent": one.beat >= silent} for one in found.workers],
                "held": found.held,
            }
        )
        return
    table(
        ("queue", "status", "count", "oldest"),
        ((one.queue, coloured(one.status), one.count, ago(one.oldest)) for one in found.counts),
        empty="no instances",
    )
    click.echo()
    table(
        ("ended", "last minute", "last hour"),
        ((coloured(status), *pair) for status, pair in found.ended.items()),
        empty="",
    )
    click.echo()
    table(
        ("worker", "queues", "up for", "beat"),
        (
            (one.name, ", ".join(one.queues), ago(one.age), _beat(one.beat, silent))
            for one in found.workers
        ),
        empty="no workers",
    )


def _beat(age: float, silent: float) -> Text:
    """Return how long ago a worker beat; of one that has not for too long, that it is silent."""
    beat = f"{ago(age)} ago"
    return Text(beat) if age < silent else Text(f"{beat}, silent", style="yellow")


COMMANDS = (queues, stats)
