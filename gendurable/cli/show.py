"""``gendurable show``: one instance with all that belongs to it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text
from rich.tree import Tree
from sqlalchemy import select

from gendurable.callers import working
from gendurable.cli.options import InstanceName
from gendurable.cli.output import ago, coloured, json_option, print_json, print_rich, table
from gendurable.cli.target import Target

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gendurable.durable import Durable

#: How many children of one parent, and how many entries of the history, are shown.
MOST = 100


@click.command(short_help="Show one instance with its inbox, children and history.")
@click.argument("target", type=Target())
@click.argument("instance", type=InstanceName())
@click.option("--depth", type=click.IntRange(0), default=3, show_default=True, help="Of children.")
@json_option
def show(target: Durable, instance: int | str, depth: int, as_json: bool) -> None:
    """Show one instance: its row, its inbox, its children and its history.

    \b
    Examples:
      gendurable show myapp:durable 4711
      gendurable show myapp:durable order:42 --json
    """
    found = target.instance(instance)
    if found is None:
        if isinstance(instance, int):
            raise click.ClickException(f"there is no instance {instance}")
        raise click.ClickException(
            f"no instance has the key {instance!r} now; look for one that had it:"
            f" gendurable ls ... -k {instance}"
        )
    with working(target, None) as work:
        data = {
            **_row(work.conn, target.Instance, "id", found.id)[0],
            "inbox": _row(work.conn, target.StoredSignal, "target_id", found.id),
            "children": _children(work.conn, target, found.id, depth),
            "history": _row(work.conn, target.Transition, "instance_id", found.id),
        }
    data["inbox"] = [one for one in data["inbox"] if one["consumed_at"] is None]
    if as_json:
        print_json(data)
    else:
        _show(data)


def _row(conn: Connection, cls: Any, column: str, value: int) -> list[dict[str, Any]]:
    """Return the latest rows of a table that belong to an instance, oldest first."""
    columns = cls.__table__.c
    query = select(cls.__table__).where(columns[column] == value).order_by(columns.id.desc())
    return [dict(row._mapping) for row in conn.execute(query.limit(MOST))][::-1]


def _children(conn: Connection, target: Durable, id: int, depth: int) -> list[dict[str, Any]]:
    if not depth:
        return []
    columns = target.Instance.__table__.c
    names = ("id", "fsm", "step", "status", "last_error", "parent_round")
    query = select(*(columns[name] for name in names)).where(columns.parent_id == id)
    rows = conn.execute(query.order_by(columns.id).limit(MOST)).all()
    return [
        {**row._asdict(), "children": _children(conn, target, row.id, depth - 1)} for row in rows
    ]


#: Columns that say nothing unless they differ from this.
_QUIET = {
    "priority": 0,
    "attempt": 0,
    "crashes": 0,
    "round": 0,
    "weight": 1,
    "timed_out": False,
    "children_pending": 0,
    "children_done": 0,
    "visit": 0,
    "claim_seq": 0,
}


def _show(data: dict[str, Any]) -> None:
    """Print an instance for people."""
    grid = [
        (name, coloured(value) if name == "status" else _text(value))
        for name, value in data.items()
        if name not in ("inbox", "children", "history", "correlation_guard")
        and value is not None
        and _QUIET.get(name, ...) != value
    ]
    table(("", ""), grid)
    if data["inbox"]:
        _head("inbox")
        rows = ((s["name"], _text(s["payload"]), ago(s["inserted_at"])) for s in data["inbox"])
        table(("signal", "payload", "age"), rows)
    if data["children"]:
        _head("children")
        tree = Tree(Text(f"{data['id']} {data['fsm']}"))
        _grow(tree, data["children"])
        print_rich(tree)
    if data["history"]:
        _head("history")
        heads = ("id", "when", "what", "step", "attempt", "by", "why")
        entries = (
            (
                str(one["id"]),
                f"{ago(one['inserted_at'])} ago",
                one["kind"],
                one["step"],
                one["attempt"] or None,
                one["made_by"],
                one["reason"] or one["error"],
            )
            for one in data["history"]
        )
        table(heads, entries)


def _head(word: str) -> None:
    click.echo()
    print_rich(Text(word, style="bold"))


def _grow(tree: Tree, children: list[dict[str, Any]]) -> None:
    for child in children:
        label = Text(f"{child['id']} {child['fsm']} {child['step']} ")
        _grow(tree.add(label + coloured(child["status"])), child["children"])


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
