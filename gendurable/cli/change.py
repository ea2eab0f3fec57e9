"""``gendurable insert``, ``signal``, ``cancel``, ``retry``: what a hand does to instances."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError

from gendurable.cli.group import Wrong
from gendurable.cli.options import Duration, InstanceName, Json, by_option
from gendurable.cli.output import json_option, print_json
from gendurable.cli.target import Target
from gendurable.engine.findings import complaint
from gendurable.errors import DuplicateInstance, GenDurableError
from gendurable.posting import refuse_unfit, unawaited
from gendurable.state import load_state

if TYPE_CHECKING:
    from gendurable.durable import Durable
    from gendurable.fsm import FSM, Machine


@click.command(short_help="Insert an instance of a machine.")
@click.argument("target", type=Target())
@click.argument("fsm")
@click.argument("state", type=Json(), default="{}")
@click.option("--version", "version", type=int, help="Of the machine.  [default: the newest]")
@click.option("-q", "--queue", help="[default: that of the machine]")
@click.option("-p", "--priority", type=int, default=0, show_default=True, help="Lower goes first.")
@click.option("--delay", type=Duration(), help="How long it waits before it may start.")
@click.option("-k", "--key", "correlation_key", help="Its correlation key.")
@click.option("--concurrency-key", help="So many with this key execute at once.")
@click.option("--rate-limit", help="The bucket that it takes tokens from.")
@click.option("--return", "existing", is_flag=True, help="If the key is taken, name its holder.")
@json_option
def insert(
    target: Durable,
    fsm: str,
    state: Any,
    version: int | None,
    existing: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Insert an instance of the machine FSM in the STATE given as JSON; prints its id.

    \b
    Examples:
      gendurable insert myapp:durable Checkout '{"order_id": 42}' -k order:42
      gendurable insert myapp:durable Report --delay 10m
      jq .order order.json | gendurable insert myapp:durable Checkout -
    """
    obj = _object(_machine(target, fsm, version), state)
    try:
        handle = target.insert(obj, if_exists="return" if existing else "raise", **options)
    except DuplicateInstance as error:
        key = options["correlation_key"]
        raise click.ClickException(
            f"the key {key!r} is taken by instance {error.id}; with --return that one is named"
        ) from error
    if as_json:
        print_json({"id": handle.id, "created": handle.created})
    else:
        click.echo(handle.id)


def _machine(target: Durable, fsm: str, version: int | None) -> Machine:
    machines = target.catalogue.machines()
    versions = sorted(v for name, v in machines if name == fsm)
    if version is None and versions:
        version = versions[-1]
    if version not in versions:
        known = ", ".join(sorted({name for name, _ in machines})) or "none"
        which = fsm if version is None else f"{fsm} version {version}"
        raise Wrong(f"this application has no machine {which}; it has {known}")
    return machines[fsm, version]


def _object(machine: Machine, state: Any) -> FSM:
    try:
        obj: FSM = load_state(machine.cls, json.dumps(state))
    except ValidationError as error:
        raise Wrong(f"this is no state of {machine.name}: {complaint(error)}") from error
    return obj


@click.command(short_help="Send a signal to an instance.")
@click.argument("target", type=Target())
@click.argument("instance", type=InstanceName())
@click.argument("signal")
@click.argument("payload", type=Json(), default="null")
@click.option("--dedup-key", help="Sent twice with the same key, it is stored once.")
@json_option
def signal(
    target: Durable,
    instance: int | str,
    signal: str,
    payload: Any,
    dedup_key: str | None,
    as_json: bool,
) -> None:
    """Send a SIGNAL, with a PAYLOAD of JSON, to an instance.

    If one class of this application has that name, the payload has to fit it.

    \b
    Examples:
      gendurable signal myapp:durable order:42 PaymentConfirmed '{"amount": 1200}'
      gendurable signal myapp:durable 4711 go --dedup-key webhook-99
    """
    refuse_unfit(signal, payload)
    stored = target.signal(instance, signal, payload, dedup_key=dedup_key)
    if stored and (warning := unawaited(target, signal)):
        click.echo(f"stored, but {warning}", err=True)
    if as_json:
        print_json({"stored": stored})
    else:
        click.echo("stored" if stored else "was sent before")


@click.command()
@click.argument("target", type=Target())
@click.argument("instances", type=InstanceName(), nargs=-1, required=True)
@click.option("--cascade", is_flag=True, help="All descendants too.")
@by_option
@json_option
def cancel(
    target: Durable,
    instances: tuple[int | str, ...],
    cascade: bool,
    by: str | None,
    reason: str | None,
    as_json: bool,
) -> None:
    """End instances as cancelled, wherever they stand.

    A step that runs commits nothing. With --cascade all children go too, also those born meanwhile.

    \b
    Examples:
      gendurable cancel myapp:durable order:42 --reason "customer called"
      gendurable cancel myapp:durable 17 18 19 --cascade
    """

    def end(instance: int | str) -> str:
        why = reason or "cancelled from the command line"
        return "cancelled" if target.cancel(instance, why, cascade, by=by) else "had ended before"

    _each(instances, end, as_json)


@click.command(short_help="Put failed or cancelled instances back at their step.")
@click.argument("target", type=Target())
@click.argument("instances", type=InstanceName(), nargs=-1, required=True)
@by_option
@json_option
def retry(
    target: Durable,
    instances: tuple[int | str, ...],
    by: str | None,
    reason: str | None,
    as_json: bool,
) -> None:
    """Put failed or cancelled instances back at the step in which they ended.

    \b
    Examples:
      gendurable retry myapp:durable 4711 --reason "the carrier is back"
      gendurable ls myapp:durable -s failed --json | jq '.[].id' | \\
        xargs gendurable retry myapp:durable
    """

    def put_back(instance: int | str) -> str:
        target.retry(instance, by=by, reason=reason)
        return "put back"

    _each(instances, put_back, as_json)


def _each(instances: Iterable[int | str], act: Callable[[int | str], str], as_json: bool) -> None:
    """Do the same to each of several; one that cannot be helped keeps the others from nothing."""
    results = []
    for instance in instances:
        try:
            result = {"instance": instance, "ok": True, "message": act(instance)}
        except GenDurableError as error:
            result = {"instance": instance, "ok": False, "message": str(error)}
        results.append(result)
        if not as_json:
            click.echo(f"{instance}: {result['message']}", err=not result["ok"])
    if as_json:
        print_json(results)
    sys.exit(0 if all(one["ok"] for one in results) else 1)


COMMANDS = (insert, signal, cancel, retry)
