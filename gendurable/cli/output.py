"""What commands print: tables and colours for people, JSON with stable keys for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

#: What is no longer than this is not broken into several lines, if something else can be.
WORD = 26
#: How many blanks stand between two columns.
GAP = 2

F = TypeVar("F", bound=Callable[..., Any])

#: The colours of statuses and of verdicts.
COLOURS = {
    "runnable": "cyan",
    "executing": "blue",
    "awaiting_signal": "magenta",
    "awaiting_children": "magenta",
    "done": "green",
    "failed": "red",
    "cancelled": "yellow",
    "ok": "green",
    "warning": "yellow",
    "violated": "red",
}


def json_option(command: F) -> F:
    """Give a command ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(
        command
    )


def json_text(value: Any) -> str:
    """Return *value* as JSON; keys are the names of fields and columns, and stay what they are."""
    return json.dumps(value, default=_plain, indent=2, ensure_ascii=False)


def print_json(value: Any) -> None:
    """Print *value* as JSON."""
    click.echo(json_text(value))


def console(*, stderr: bool = False) -> Console:
    """Return where to print for people: as wide as the terminal, or as wide as need be.

    The variable COLUMNS says how wide where there is no terminal.
    """
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or os.environ.get("COLUMNS") else 240
    return Console(file=stream, width=width, highlight=False, soft_wrap=False)


def table(
    heads: Iterable[str],
    rows: Iterable[Iterable[Any]],
    *,
    empty: str = "",
    spare: Iterable[str] = (),
) -> None:
    """Print rows under their heads; without rows, say what there is none of.

    Columns in which nothing stands are left out, and so is a line of heads that say nothing. Where
    there is no room for all, those that are *spare* are left out, one after the other.
    """
    heads = list(heads)
    lines = [[_cell(value) for value in row] for row in rows]
    if not lines:
        click.echo(empty)
        return
    shown = [n for n in range(len(heads)) if any(line[n].plain for line in lines)]
    widths = [max(len(heads[n]), *(line[n].cell_len for line in lines)) for n in range(len(heads))]
    for head in spare:
        if sum(min(widths[n], WORD) + GAP for n in shown) - GAP > console().width:
            shown = [n for n in shown if heads[n] != head]
    grid = Table(box=None, pad_edge=False, header_style="bold", show_header=any(heads))
    for n in shown:
        right = all(_is_number(line[n].plain) for line in lines)
        grid.add_column(
            heads[n],
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=widths[n] <= WORD,
            min_width=min(widths[n], WORD // 2),
        )
    for line in lines:
        grid.add_row(*(line[n] for n in shown))
    print_rich(grid)


def print_rich(what: RenderableType) -> None:
    """Print something of rich's, without the blanks that it puts at the ends of lines."""
    out = console()
    with out.capture() as captured:
        out.print(what)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def paragraph(head: str, *lines: tuple[str, str, str | None]) -> None:
    """Print a head and below it lines, each with a word before it in its colour."""
    grid = Table(box=None, pad_edge=False, show_header=False, padding=(0, 1))
    for word, colour, text in lines:
        if text is not None:
            grid.add_row("", Text(word, style=colour), Text(text))
    click.echo()
    print_rich(Text(head, style="bold"))
    print_rich(grid)


def coloured(word: str) -> Text:
    """Return a status or a verdict in its colour."""
    return Text(word, style=COLOURS.get(word, ""))


def ago(value: datetime | float | None) -> str:
    """Return how long ago something was, or how soon it will be: "3 min", "in 20 s"."""
    if value is None:
        return ""
    past = (datetime.now(UTC) - value).total_seconds() if isinstance(value, datetime) else value
    size = abs(past)
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if size >= 2 * seconds:  # "90 min" says more than "2 h"
            text = f"{size / seconds:.0f} {unit}"
            break
    else:
        text = f"{size:.0f} s"
    return text if past >= 0 else f"in {text}"


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far long work is, on a terminal; yield who is told of it."""
    with Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task(what, total=None)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield tell


def _cell(value: Any) -> Text:
    if isinstance(value, Text):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Text(f"{value:,}")
    return Text("" if value is None else str(value))


def _is_number(text: str) -> bool:
    return not text or text.replace(",", "").isdigit()


def _plain(value: Any) -> Any:
    """Return what JSON has no word for as something that it has."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, frozenset | set):
        return sorted(value)
    return str(value)
