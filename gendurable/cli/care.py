"""``gendurable check``, ``doctor``, ``upgrade-state``: is all well, before and after a deploy."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gendurable.cli.output import coloured, json_option, print_json, progress, table
from gendurable.cli.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gendurable.durable import Durable
    from gendurable.engine.survey import Finding


@click.command()
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
        _findings(found.findings)
    sys.exit(0 if found.ok else 1)


def _findings(findings: Iterable[Finding]) -> None:
    table(
        ("what", "machine", "step", "rows", "such as", "why"),
        (
            (
                one.kind,
                f"{one.fsm} v{one.version}",
                one.step,
                one.count or None,
                None if one.example is None else str(one.example),
                one.reason,
            )
            for one in findings
        ),
        empty="",
    )


@click.command()
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
        table(
            ("", "what", "how it is", "such as", "what to do"),
            (
                (
                    coloured(one.level),
                    one.name,
                    one.text,
                    None if one.example is None else str(one.example),
                    one.advice,
                )
                for one in verdicts
            ),
            empty="",
        )
    sys.exit(1 if any(one.level == "violated" for one in verdicts) else 0)


@click.command("upgrade-state")
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
            f"{answer.upgraded:,} rows brought up, {answer.cleared:,} put back that were set aside,"
            f" {answer.left:,} left to their workers"
        )
        if not answer.ok:
            _findings(answer.findings)
    sys.exit(0 if answer.ok else 1)


COMMANDS = (check, doctor, upgrade_state)
