"""``gendurable schema``: the tables, for applications that do not run Alembic themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from gendurable import migrations
from gendurable.cli.group import Commands
from gendurable.cli.output import json_option, print_json
from gendurable.cli.target import Target

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gendurable.durable import Durable


@click.group(cls=Commands)
def schema() -> None:
    """Create, upgrade, check or remove the tables.

    An application with Alembic includes gendurable's revisions in its own history instead.
    """


@schema.command(short_help="Create the schema, or bring it up to this release.")
@click.argument("target", type=Target())
@click.option("--to", metavar="REVISION", help="[default: the newest]")
def upgrade(target: Durable, to: str | None) -> None:
    """Create the schema, or bring it up to this release; does nothing if it is.

    \b
    Example:
      gendurable schema upgrade myapp:durable
    """
    name = target.settings.schema
    with target.engine.begin() as conn:
        migrations.upgrade(_operations(conn), to=to, schema=name)
        click.echo(f"schema {name!r} is at {migrations.current(conn, name)}")


@schema.command(short_help="Take the schema back, or remove it with all it holds.")
@click.argument("target", type=Target())
@click.option("--to", metavar="REVISION", help="[default: remove it altogether]")
@click.confirmation_option(prompt="This deletes what the older schema has no place for. Go on?")
def downgrade(target: Durable, to: str | None) -> None:
    """Take the schema back to an older revision; without one, remove it with all it holds.

    \b
    Example:
      gendurable schema downgrade myapp:durable --to gendurable_0001 --yes
    """
    name = target.settings.schema
    with target.engine.begin() as conn:
        migrations.downgrade(_operations(conn), to=to, schema=name)
        found = migrations.current(conn, name)
        click.echo(f"schema {name!r} is at {found}" if found else f"schema {name!r} is removed")


@schema.command("check", short_help="Say which revision the schema is at.")
@click.argument("target", type=Target())
@json_option
def check(target: Durable, as_json: bool) -> None:
    """Say which revision the schema is at; exit status 1 if this release needs a newer one.

    \b
    Example:
      gendurable schema check myapp:durable
    """
    name = target.settings.schema
    with target.engine.begin() as conn:
        found = migrations.current(conn, name)
        if as_json:
            print_json({"schema": name, "revision": found, "head": migrations.head()})
        migrations.check(conn, name)
    if not as_json:
        click.echo(f"schema {name!r} is at {found}, as this release needs")


@schema.command(short_help="Print the SQL of an upgrade, for somebody else to run.")
@click.argument("target", type=Target())
@click.option("--to", metavar="REVISION", help="[default: the newest]")
@click.option("--since", metavar="REVISION", help="[default: none, an empty database]")
def sql(target: Durable, to: str | None, since: str | None) -> None:
    """Print the SQL of an upgrade, for somebody else to run; the database is not asked.

    \b
    Example:
      gendurable schema sql myapp:durable > gendurable.sql
    """
    click.echo(migrations.script(to=to, since=since, schema=target.settings.schema))


def _operations(conn: Connection) -> Any:
    return Operations(MigrationContext.configure(conn))
