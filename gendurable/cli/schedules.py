"""``gendurable schedules``: what is inserted by the clock, and holding, editing or firing it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from gendurable.cli.group import Wrong
from gendurable.cli.output import ago, json_option, print_json, table
from gendurable.cli.target import Target

if TYPE_CHECKING:
    from gendurable.durable import Durable


@click.command(short_help="List schedules; hold, edit or fire one.")
@click.argument("target", type=Target())
@click.argument("name", required=False)
@click.option("--pause", "action", flag_value="pause", help="Keep it from firing.")
@click.option("--resume", "action", flag_value="resume", help="Let it fire again.")
@click.option("--trigger", "action", flag_value="trigger", help="Insert an instance now.")
@click.option("--reset", "action", flag_value="reset", help="Fire as the code declares again.")
@click.option("--cron", help="Fire at these times, whatever the code declares.")
@click.option("--timezone", help="In this zone, whatever the code declares.")
@json_option
def schedules(
    target: Durable,
    name: str | None,
    action: str | None,
    cron: str | None,
    timezone: str | None,
    as_json: bool,
) -> None:
    """List the schedules that workers have stored, or change the one of NAME.

    \b
    Examples:
      gendurable schedules myapp:durable
      gendurable schedules myapp:durable nightly --trigger
      gendurable schedules myapp:durable nightly --cron "0 4 * * *" --timezone Europe/Berlin
      gendurable schedules myapp:durable nightly --reset
    """
    edits = {k: v for k, v in (("cron", cron), ("timezone", timezone)) if v is not None}
    if ((action is not None or edits) and name is None) or (action is not None and edits):
        raise Wrong("give a NAME, and one of --pause, --resume, --trigger, --reset and --cron")
    if name is not None:
        _change(target, name, action, edits)
    found = [one for one in target.schedules() if name in (None, one.name)]
    if name is not None and not found:
        raise click.ClickException(f"there is no schedule {name!r}")
    if as_json:
        print_json(found)
        return
    table(
        ("name", "cron", "zone", "next", "last", "instance", "fired", "skipped", ""),
        (
            (
                one.name,
                one.cron,
                one.timezone,
                _next(one.next_at),
                ago(one.last_at),
                one.last_id and str(one.last_id),
                one.fired,
                one.skipped,
                _state(one),
            )
            for one in found
        ),
        empty="no schedules; a worker stores those of the code when it starts",
    )


def _change(target: Durable, name: str, action: str | None, edits: dict[str, Any]) -> None:
    if action == "pause":
        target.pause_schedule(name)
    elif action == "resume":
        target.resume_schedule(name)
    elif action == "trigger":
        click.echo(f"inserted {int(target.trigger(name))}", err=True)
    elif action == "reset":
        target.edit_schedule(name, cron=None, timezone=None)
    elif edits:
        target.edit_schedule(name, **edits)


def _next(at: datetime | None) -> str:
    """Return how soon it fires; it is late where no worker with cron runs."""
    text = ago(at)
    return text if not text or text.startswith("in ") else f"{text} ago"


def _state(one: Any) -> Any:
    words = [
        word
        for word, holds in (("paused", one.paused), ("edited", one.edited), (one.error, one.error))
        if holds
    ]
    return Text(", ".join(words), style="yellow")
