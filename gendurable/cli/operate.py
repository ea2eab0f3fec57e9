"""``explain``, ``pause``, ``resume``, ``rewind``, ``patch-state``: why it stands, what to do."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from gendurable.cli.group import Wrong
from gendurable.cli.options import InstanceName, Json, by_option
from gendurable.cli.output import json_option, print_json
from gendurable.cli.target import Target
from gendurable.runtime.binding import queues_used

if TYPE_CHECKING:
    from gendurable.durable import Durable


@click.command()
@click.argument("target", type=Target())
@click.argument("instance", type=InstanceName())
@json_option
def explain(target: Durable, instance: int | str, as_json: bool) -> None:
    """Say why an instance is not running.

    \b
    Examples:
      gendurable explain myapp:durable order:42
      gendurable explain myapp:durable 4711 --json | jq -r .reason
    """
    found = target.explain(instance)
    if as_json:
        print_json({"reason": found.reason, "text": str(found), "details": found.details})
    else:
        click.echo(found)


@click.command(short_help="Hold an instance, or a queue.")
@click.argument("target", type=Target())
@click.argument("instance", type=InstanceName(), required=False)
@click.option("-q", "--queue", help="The whole queue, with what comes into it later.")
@by_option
@json_option
def pause(target: Durable, as_json: bool, **given: Any) -> None:
    """Hold an instance, or a queue: a running step ends, then nothing starts.

    \b
    Examples:
      gendurable pause myapp:durable order:42 --reason "the customer is asked"
      gendurable pause myapp:durable -q mail
    """
    count = target.pause(**_goal(given))
    if count and given["queue"] is not None:
        _warn_of_queue(target, given["queue"])
    _tell(count, "held", "was held before", as_json)


@click.command()
@click.argument("target", type=Target())
@click.argument("instance", type=InstanceName(), required=False)
@click.option("-q", "--queue", help="The whole queue; instances held by themselves stay held.")
@by_option
@json_option
def resume(target: Durable, as_json: bool, **given: Any) -> None:
    """Let an instance, or a queue, go on.

    \b
    Examples:
      gendurable resume myapp:durable order:42
      gendurable resume myapp:durable -q mail
    """
    _tell(target.resume(**_goal(given)), "goes on", "was not held", as_json)


@click.command(short_help="Set an instance to a step, or back in its history.")
@click.argument("target", type=Target())
@click.argument("instance", type=InstanceName())
@click.argument("to")
@by_option
@json_option
def rewind(
    target: Durable,
    instance: int | str,
    to: str,
    by: str | None,
    reason: str | None,
    as_json: bool,
) -> None:
    """Set an instance to a step, or to an entry of its history that holds a state.

    TO is the name of a step, or the id of an entry (`gendurable show ... --json`). A worker that
    executes the instance loses it.

    \b
    Examples:
      gendurable rewind myapp:durable order:42 pack --reason "wrong label"
      gendurable rewind myapp:durable order:42 90210
    """
    target.rewind(instance, to=int(to) if to.isdecimal() else to, by=by, reason=reason)
    if as_json:
        print_json({"rewound": True})
    else:
        click.echo("rewound")


@click.command("patch-state", short_help="Change fields of the state of an instance.")
@click.argument("target", type=Target())
@click.argument("instance", type=InstanceName())
@click.argument("fields", type=Json())
@click.option("--expect", type=int, metavar="VISIT", help="Only if it is still at this visit.")
@by_option
@json_option
def patch_state(
    target: Durable,
    instance: int | str,
    fields: Any,
    expect: int | None,
    by: str | None,
    reason: str | None,
    as_json: bool,
) -> None:
    """Change FIELDS of the state of an instance, given as a JSON object; the others stay.

    Its class checks the new state. It stands where it stood; a worker that executes it loses it.
    What was before stays in the history, and a rewind to that entry takes the change back.

    \b
    Examples:
      gendurable patch-state myapp:durable order:42 '{"city": "Bonn"}' --reason "moved"
      gendurable patch-state myapp:durable 4711 - --expect 3 < fields.json
    """
    if not isinstance(fields, dict) or not fields:
        raise Wrong(f"FIELDS={json.dumps(fields)} must be a JSON object of the fields that change")
    target.patch_state(instance, fields, expect=expect, by=by, reason=reason)
    if as_json:
        print_json({"patched": True})
    else:
        click.echo("patched")


def _goal(given: dict[str, Any]) -> dict[str, Any]:
    """Return what to hold or to let go, as the library is told."""
    instance = given.pop("instance")
    if (instance is None) == (given["queue"] is None):
        raise Wrong("name an INSTANCE, or a queue with -q")
    return {"target": instance, **given}


def _warn_of_queue(target: Durable, queue: str) -> None:
    """Say that nobody knows a queue that is held now: it may be misspelt, or new."""
    stats = target.stats()
    known = queues_used(target) | {one.queue for one in stats.counts}
    known |= {name for worker in stats.workers for name in worker.queues}
    if queue not in known:
        known |= {one.queue for one in stats.held} - {queue}
        there = ", ".join(sorted(known)) or "none"
        click.echo(f"held, but nothing uses a queue {queue!r} yet; there are {there}", err=True)


def _tell(count: int, done: str, not_done: str, as_json: bool) -> None:
    if as_json:
        print_json({"count": count})
    else:
        click.echo(done if count else not_done)
    sys.exit(0)


COMMANDS = (explain, pause, resume, rewind, patch_state)
