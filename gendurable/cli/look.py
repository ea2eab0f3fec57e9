"""``gendurable ls``: the instances that meet some conditions, page by page."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text
from sqlalchemy import Select, String, cast, func, or_, select
from sqlalchemy.dialects.postgresql import JSONB

from gendurable.callers import working
from gendurable.cli.options import Duration, Where
from gendurable.cli.output import ago, coloured, json_option, print_json, table
from gendurable.cli.target import Target
from gendurable.lifecycle import LIVE, TERMINAL, Status

if TYPE_CHECKING:
    from gendurable.durable import Durable

#: Words for several statuses.
GROUPS = {"live": LIVE, "ended": TERMINAL}

_LISTED = (
    *("id", "fsm", "fsm_version", "step", "status", "queue", "priority", "eligible_at"),
    *("attempt", "correlation_key", "concurrency_key", "blocked", "paused_at", "last_error"),
    *("parent_id", "inserted_at", "updated_at"),
)


@click.command()
@click.argument("target", type=Target())
@click.option(
    "-s",
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([*GROUPS, *(one.value for one in Status)]),
    help="Only with this status; may be repeated.",
)
@click.option("-f", "--fsm", help="Only of this machine.")
@click.option("--step", help="Only at this step.")
@click.option("-q", "--queue", help="Only in this queue.")
@click.option("-k", "--key", help="Only with this correlation key; a * at its end stands for more.")
@click.option("--older-than", type=Duration(), help="Only inserted so long ago.")
@click.option("-w", "--where", type=Where(), multiple=True, help="Only with this in the state.")
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--before", type=int, help="Only with smaller ids: the next page.")
@json_option
def ls(target: Durable, as_json: bool, limit: int, **filters: Any) -> None:
    """List instances, the newest first.

    \b
    Examples:
      gendurable ls myapp:durable
      gendurable ls myapp:durable -s failed -f Checkout --older-than 1h
      gendurable ls myapp:durable -s live -w order=42 -w customer.city=Bonn
      gendurable ls myapp:durable -k 'order:*' --json | jq '.[].id'
    """
    columns = target.Instance.__table__.c
    listed: Any = select(*[columns[name] for name in _LISTED])
    query = _filtered(target, listed, **filters)
    with working(target, None) as work:
        rows = work.conn.execute(query.order_by(columns.id.desc()).limit(limit)).all()
    if as_json:
        print_json([row._asdict() for row in rows])
        return
    heads = ("id", "machine", "step", "status", "queue", "age", "due", "attempt", "key", "error")
    table(heads, map(_line, rows), empty="no such instances", spare=("age", "queue"))
    if len(rows) == limit:
        click.echo(f"(there may be more: --before {rows[-1].id})", err=True)


def _filtered(
    target: Durable,
    query: Select[Any],
    *,
    statuses: tuple[str, ...],
    fsm: str | None,
    step: str | None,
    queue: str | None,
    key: str | None,
    older_than: float | None,
    where: tuple[tuple[tuple[str, ...], str], ...],
    before: int | None,
) -> Select[Any]:
    """Return *query* with the conditions that were given."""
    columns = target.Instance.__table__.c
    if statuses:
        wanted = {one for name in statuses for one in GROUPS.get(name) or {Status(name)}}
        query = query.where(columns.status.in_(sorted(wanted)))
    if fsm is not None:
        query = query.where(columns.fsm == fsm)
    if step is not None:
        query = query.where(columns.step == step)
    if queue is not None:
        query = query.where(columns.queue == queue)
    if key is not None and key.endswith("*"):
        query = query.where(columns.correlation_key.startswith(key[:-1], autoescape=True))
    elif key is not None:
        query = query.where(columns.correlation_key == key)
    if older_than is not None:
        born = func.statement_timestamp() - timedelta(seconds=older_than)
        query = query.where(columns.inserted_at < born)
    for path, text in where:
        found = columns.state[path]
        query = query.where(or_(*(found == cast(cast(v, String), JSONB) for v in _values(text))))
    if before is not None:
        query = query.where(columns.id < before)
    return query


def _values(text: str) -> list[str]:
    """Return the JSON that *text* may mean: 42 is a number, and may be written as text."""
    values = [json.dumps(text)]
    with suppress(ValueError):
        values.append(json.dumps(json.loads(text)))
    return values


def _line(row: Any) -> list[Any]:
    status = coloured(row.status)
    if row.paused_at is not None or row.blocked is not None:
        status.append(
            f" ({'paused' if row.paused_at is not None else row.blocked})", style="yellow"
        )
    return [
        Text(str(row.id)),
        _machine(row),
        row.step,
        status,
        row.queue,
        ago(row.inserted_at),
        ago(row.eligible_at) if row.status == Status.RUNNABLE else "",
        row.attempt or None,
        row.correlation_key,
        (row.last_error or "").partition("\n")[0][:60],
    ]


def _machine(row: Any) -> str:
    return str(row.fsm) if row.fsm_version == 1 else f"{row.fsm} v{row.fsm_version}"
