"""``gendurable graph``: a machine drawn as read from its code."""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING

import click

from gendurable import graph as drawing
from gendurable.cli.group import Wrong
from gendurable.cli.output import json_text
from gendurable.cli.target import Target

if TYPE_CHECKING:
    from gendurable.durable import Durable


@click.command(short_help="Draw machines as read from the code.")
@click.argument("target", type=Target())
@click.argument("fsm", required=False)
@click.option("--version", "version", type=int, help="Of the machine.  [default: the newest]")
@click.option(
    "-t",
    "--to",
    "form",
    type=click.Choice(["mermaid", "svg", "json"]),
    default="mermaid",
    show_default=True,
)
@click.option("-o", "--output", type=click.File("w"), default="-", help="A file to write.")
@click.option("--highlight", metavar="STEP", help="Mark this step in the picture.")
def graph(
    target: Durable,
    fsm: str | None,
    version: int | None,
    form: str,
    output: IO[str],
    highlight: str | None,
) -> None:
    """Draw a machine, or all of them, as read from the code; the database is not asked.

    What is odd is said on standard error: steps that nothing leads to, targets that only running
    the code would tell, signals that no machine sends. Exit status 1 if a step goes to one that
    does not exist.

    \b
    Examples:
      gendurable graph myapp:durable Checkout >> README.md
      gendurable graph myapp:durable Checkout --to svg -o checkout.svg
    """
    machines = sorted(dict(target.catalogue.machines()).items())
    classes = [machine.cls for _, machine in machines]
    chosen = [
        machine.cls
        for (name, number), machine in machines
        if fsm in (None, name) and version in (None, number)
    ]
    if fsm is not None and version is None:
        chosen = chosen[-1:]
    if not chosen or (form == "svg" and len(chosen) > 1):
        known = ", ".join(sorted({name for (name, _), _ in machines})) or "none"
        raise Wrong(f"name one of this application's machines: {known}")
    graphs = [drawing.read(cls) for cls in chosen]
    output.write(_text(graphs, form, highlight))
    for one in graphs:
        for problem in (*one.problems, *drawing.unsent(one, classes)):
            click.echo(f"{'wrong' if problem.wrong else 'note'}: {problem}", err=True)
    sys.exit(1 if any(problem.wrong for one in graphs for problem in one.problems) else 0)


def _text(graphs: list[drawing.Graph], form: str, highlight: str | None) -> str:
    if form == "json":
        return json_text(graphs) + "\n"
    if form == "svg":
        return drawing.svg(graphs[0], highlight=highlight)
    return "\n".join(
        f"%% {one.name} version {one.version}\n{drawing.mermaid(one)}" for one in graphs
    )
