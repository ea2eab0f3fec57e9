"""``gendurable check``, ``doctor``, ``upgrade-state``: is all well, before and after a deploy."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from gendurable.cli.output import coloured, json_option, paragraph, print_json, progress, table
from gendurable.cli.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gendurable.durable import Durable
    from gendurable.engine.findings import Finding
    from gendurable.engine.slowness import Verdict


@click.command(short_help="Compare this build with the live rows, before a deploy.")
@click.argument("target", type=Target())
@json_option
def check(target: Durable, as_json: bool) -> None:
    """Compare this build with the live rows of its database, before it is deployed.

    Finds every machine, version and step that rows stand at and the code lacks, every stored state
    that does not load, and steps that the code goes to but does not have. Changes nothing.
    Exit status 1 if there is any.

    \b
    Examples:
      gendurable check myapp:durable
      DATABASE_URL=... gendurable check myapp:durable || exit 1     # in a deploy
    """
    with progress("reading states") as tell:
        found = target.check(tell)
    if as_json:
        print_json({"ok": found.ok, "rows": found.rows, "findings": found.findings})
    elif found.ok:
        click.echo(f"all well: this build can run all {found.rows:,} live rows")
    else:
        stuck = sum(one.count for one in found.findings)
        click.echo(
            f"this build cannot run {stuck:,} of {found.rows:,} live rows:"
            if stuck
            else f"all {found.rows:,} live rows can go on, but the code does not hold together:"
        )
        _findings(found.findings)
    sys.exit(0 if found.ok else 1)


def _findings(findings: Iterable[Finding]) -> None:
    """Print a paragraph for each: what is concerned, what is wrong, what to do."""
    for one in findings:
        rows = f"{one.count:,} {'row' if one.count == 1 else 'rows'}, such as {one.example}"
        paragraph(
            f"{one.what}: {rows}" if one.count else one.what,
            (one.kind, "red", one.reason),
            ("mend", "green", one.advice),
        )


@click.command(short_help="Look a live database over, and say what to do.")
@click.argument("target", type=Target())
@json_option
def doctor(target: Durable, as_json: bool) -> None:
    """Look a live database over: what must always hold, what slows it down, and what to do.

    Exit status 1 if something is violated that must hold; warnings alone leave it at 0.

    \b
    Examples:
      gendurable doctor myapp:durable
      gendurable doctor myapp:durable --json | jq '.[] | select(.level != "ok")'
    """
    verdicts = target.doctor()
    if as_json:
        print_json(verdicts)
    else:
        table(("", "", ""), (line for one in verdicts for line in _verdict(one)))
    sys.exit(1 if any(one.level == "violated" for one in verdicts) else 0)


def _verdict(one: Verdict) -> Iterator[tuple[Any, ...]]:
    """Yield the line of a verdict, and one below it with what to do."""
    example = "" if one.example is None else f", such as {one.example}"
    yield coloured(one.level), one.name, one.text + example
    if one.advice is not None:
        yield "", "", Text(f"-> {one.advice}", style="green")


@click.command("upgrade-state", short_help="Bring the rows of old versions up to this build.")
@click.argument("target", type=Target())
@json_option
def upgrade_state(target: Durable, as_json: bool) -> None:
    """Bring the rows of old versions up to this build, in batches, beside running workers.

    Rows are otherwise adopted one by one, when next claimed. What was set aside and can run again
    is put back. Rows that execute are left. Exit status 1 if a row could not be brought up.

    \b
    Example:
      gendurable upgrade-state myapp:durable
    """
    with progress("upgrading") as tell:
        answer = target.upgrade_state(tell)
    if as_json:
        print_json(
            {
                "ok": answer.ok,
                "upgraded": answer.upgraded,
                "cleared": answer.cleared,
                "left": answer.left,
                "findings": answer.findings,
            }
        )
    else:
        click.echo(
            f"brought up: {answer.upgraded:,}; put back that were set aside: {answer.cleared:,};"
            f" left to the workers that execute them: {answer.left:,}"
        )
        if not answer.ok:
            _findings(answer.findings)
    sys.exit(0 if answer.ok else 1)


COMMANDS = (check, doctor, upgrade_state)
