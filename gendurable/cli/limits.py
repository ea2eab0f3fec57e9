"""``gendurable limits``: what may execute at once and how fast, and changing it on every node."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from gendurable.cli.group import Wrong
from gendurable.cli.options import Duration
from gendurable.cli.output import json_option, print_json, table
from gendurable.cli.target import Target
from gendurable.settings import ConcurrencyLimit, RateLimit

if TYPE_CHECKING:
    from gendurable.durable import Durable
    from gendurable.engine.limits import StoredLimit


@click.command(short_help="List limits, or override one on every node.")
@click.argument("target", type=Target())
@click.argument("name", required=False)
@click.option("--at-once", type=click.IntRange(1), help="So many of a key may execute at once.")
@click.option("--rate", type=click.IntRange(0), help="So many tokens flow in --per.")
@click.option("--per", type=Duration(), help="A duration, for --rate.  [default: 1s]")
@click.option("--burst", type=click.IntRange(1), help="So many tokens fit.  [default: the rate]")
@click.option("--reset", is_flag=True, help="Go back to what bindings declare.")
@json_option
def limits(
    target: Durable,
    name: str | None,
    at_once: int | None,
    rate: int | None,
    per: float | None,
    burst: int | None,
    reset: bool,
    as_json: bool,
) -> None:
    """List the limits that the database knows, or override the one of NAME on every node.

    An override wins over what bindings declare until it is reset.

    \b
    Examples:
      gendurable limits myapp:durable
      gendurable limits myapp:durable stripe --at-once 5
      gendurable limits myapp:durable mail --rate 100 --per 1m --burst 20
      gendurable limits myapp:durable stripe --reset
    """
    if [at_once is not None, rate is not None, reset].count(True) > (name is not None):
        raise Wrong("give a NAME, and one of --at-once, --rate and --reset")
    if rate is None and (per is not None or burst is not None):
        raise Wrong("--per and --burst go with --rate")
    if name is not None and at_once is not None:
        target.set_limit(name, ConcurrencyLimit(at_once))
    elif name is not None and rate is not None:
        target.set_limit(name, RateLimit(rate, per or 1, burst))
    elif name is not None and reset:
        _reset(target, name)
    stored = target.limits()
    found = [_described(one) for one in stored if name in (None, one.name)]
    if stored and name is not None and not found and not reset:
        raise _unknown(name, {one.name for one in stored})
    if as_json:
        print_json(found)
        return
    table(
        ("name", "kind", "from", "amount", "per", "burst"),
        (
            (*list(one.values())[:4], one["per"] and f"{one['per']:g} s", one["burst"])
            for one in found
        ),
        empty=f"{name!r} is reset; no worker has brought a limit of that name from its binding"
        if reset
        else "the database knows no limits; those of a binding are there once a worker started",
    )


def _reset(target: Durable, name: str) -> None:
    """Take an override back, of a limit that the database or this binding knows."""
    known = {one.name for one in target.limits()}
    known |= target.settings.concurrency_limits.keys() | target.settings.rate_limits.keys()
    target.set_limit(name, None)
    if name not in known:
        raise _unknown(name, known)


def _unknown(name: str, known: Iterable[str]) -> click.ClickException:
    there = ", ".join(sorted(known)) or "none"
    return click.ClickException(f"there is no limit {name!r}; there are {there}")


def _described(stored: StoredLimit) -> dict[str, Any]:
    """Return a limit in the same words whatever its kind."""
    limit = stored.limit
    return {
        "name": stored.name,
        "kind": stored.kind,
        "source": stored.source,
        "amount": limit.allowance if isinstance(limit, RateLimit) else limit.limit,
        "per": limit.per if isinstance(limit, RateLimit) else None,
        "burst": limit.burst if isinstance(limit, RateLimit) else None,
    }
