"""From values to what a person reads: times, numbers, documents, curves."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup, escape

from gendurable.settings import ConcurrencyLimit, RateLimit

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))

#: The words for statuses, in the order in which lists name them.
STATUSES: Mapping[str, str] = {
    "runnable": "Ready",
    "executing": "Running",
    "awaiting_signal": "Awaits signal",
    "awaiting_children": "Awaits children",
    "done": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
}


def span(value: float | timedelta) -> str:
    """Write a duration with its two largest units at most: ``3 min``, ``2 h 5 min``, ``40 ms``."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 ", " ")
    left = round(seconds)
    for n, (size, unit) in enumerate(_UNITS):
        if left >= size:
            text = f"{left // size} {unit}"
            rest = left % size
            if size > 1 and left // size < 10 and rest >= _UNITS[n + 1][0]:
                text += f" {rest // _UNITS[n + 1][0]} {_UNITS[n + 1][1]}"
            return text
    return f"{seconds:.0f} s"


def relative(at: datetime, now: datetime) -> str:
    """Say how long ago *at* was, or how soon it will be, seen from *now*."""
    seconds = (now - at).total_seconds()
    if abs(seconds) < 1:
        return "now"
    text = span(round(abs(seconds)))
    return f"{text} ago" if seconds > 0 else f"in {text}"


def when(at: datetime | None, now: datetime) -> Markup:
    """Write an instant as a ``<time>``: relative, with the absolute one as its title."""
    if at is None:
        return Markup("–")
    at = at.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(timespec="milliseconds"),
        f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03} UTC",
        relative(at, now.astimezone(UTC)),
    )


def number(value: float, cap: int | None = None) -> str:
    """Write a count with thousands; one that stopped at *cap* gets a plus."""
    if cap is not None and value >= cap:
        return f"{cap:,}+"
    if value != int(value):
        return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"
    return f"{int(value):,}"


def at_least(value: int) -> str:
    """Write a count that stopped: its first two digits, and a plus."""
    rest = 10 ** max(len(str(value)) - 2, 0)
    return f"{value // rest * rest:,}+"


_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|(\btrue\b|\bfalse\b|\bnull\b)|(-?\d[\d.eE+-]*)')


def document(text: str | None, cut: int) -> Markup:
    """Lay out a JSON document, each kind of value in its colour, unless it was cut."""
    if text is None:
        return Markup('<span class="none">none</span>')
    if len(text) >= cut:
        return Markup("{}<span class='cut'>… cut here after {} characters</span>").format(
            text, number(cut)
        )
    pretty = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    parts: list[Markup] = []
    end = 0
    for match in _TOKEN.finditer(pretty):
        parts.append(escape(pretty[end : match.start()]))
        parts.append(_coloured(match))
        end = match.end()
    parts.append(escape(pretty[end:]))
    return Markup("").join(parts)


def _coloured(match: re.Match[str]) -> Markup:
    text, colon, word, digits = match.groups()
    if text is not None:
        kind = "k" if colon else "s"
        return Markup('<span class="j{}">{}</span>{}').format(kind, text, colon or "")
    return Markup('<span class="j{}">{}</span>').format("w" if word else "n", word or digits)


def one_line(text: str | None, length: int = 160) -> str:
    """Return the first line of *text*, cut to *length*."""
    line = (text or "").strip().partition("\n")[0]
    return line if len(line) <= length else line[: length - 1] + "…"


def curve(values: Sequence[float], width: int = 120, height: int = 28) -> tuple[str, str]:
    """Return the line through *values* and the area below it, as paths of an SVG."""
    top = max(values, default=0) or 1
    step = width / max(len(values) - 1, 1)
    points = [
        f"{n * step:.1f},{height - 1.5 - (height - 4) * value / top:.1f}"
        for n, value in enumerate(values)
    ]
    line = "M" + " L".join(points)
    return line, f"{line} L{width},{height} L0,{height} Z"


def standing(row: Any, now: datetime) -> str:
    """Say in a few words what a row waits for, as its columns tell it."""
    if row.paused_at is not None and row.status in STATUSES and row.status not in _ENDED:
        return "paused"
    match row.status:
        case "runnable" if row.blocked is not None:
            return _BLOCKED[row.blocked].format(row=row)
        case "runnable" if row.eligible_at > now:
            return f"due {relative(row.eligible_at, now)}"
        case "runnable":
            return f"due since {span(now - row.eligible_at)}"
        case "executing":
            return f"on {row.locked_by}"
        case "awaiting_signal":
            return "for " + ", ".join(row.awaits) + _until(row, now)
        case "awaiting_children":
            return f"for {number(row.children_pending)} more to end" + _until(row, now)
        case "failed":
            return one_line(row.last_error)
        case "cancelled":
            return one_line(row.last_error)
    return ""


def sentence(row: Any, now: datetime) -> Markup:
    """Say how an instance stands, in one sentence, as its columns tell it."""
    step = Markup("<strong>{}</strong>").format(row.step)
    if row.paused_at is None or row.status in _ENDED:
        return _sentence(row, step, now)
    paused = Markup("Paused {}").format(when(row.paused_at, now))
    if row.status == "runnable":
        return Markup("{}, before {}.").format(paused, step)
    return Markup("{} {}: nothing of it starts until it is resumed.").format(
        _sentence(row, step, now), paused
    )


def _sentence(row: Any, step: Markup, now: datetime) -> Markup:
    match row.status:
        case "runnable" if row.blocked is not None:
            return Markup("{} waits {}.").format(step, standing(row, now))
        case "runnable":
            return Markup("{} is {}.").format(step, standing(row, now))
        case "executing":
            return Markup("{} runs on <span class='name'>{}</span>, whose lease ends {}.").format(
                step, row.locked_by, when(row.lease_expires_at, now)
            )
        case "awaiting_signal":
            goal = Markup("Waits for <strong>{}</strong>").format(" or ".join(row.awaits))
            return _then(goal, step, row, now)
        case "awaiting_children":
            number_left = number(row.children_pending)
            noun = "child" if row.children_pending == 1 else "children"
            return _then(
                Markup("Waits for {} more {} to end").format(number_left, noun), step, row, now
            )
    word = {"done": "Done", "failed": "Failed", "cancelled": "Cancelled"}[row.status]
    where = "in" if row.ended_from in (None, "executing") else "before"
    return Markup("{} {} {}, {}.").format(word, where, step, when(row.updated_at, now))


def _then(goal: Markup, step: Markup, row: Any, now: datetime) -> Markup:
    text = Markup("{}, then goes on with {}").format(goal, step)
    if row.deadline is None:
        return Markup("{}.").format(text)
    return Markup("{}; {} it does so anyway.").format(text, when(row.deadline, now))


def allowance(limit: ConcurrencyLimit | RateLimit) -> str:
    """Say how much a limit allows."""
    if isinstance(limit, ConcurrencyLimit):
        return f"{number(limit.limit)} at once"
    text = f"{number(limit.allowance)} in {span(limit.per)}"
    return (
        text if limit.burst == limit.allowance else f"{text}, bursts of {number(limit.burst or 0)}"
    )


_ENDED = ("done", "failed", "cancelled")
_BLOCKED = {
    "key": "behind the key {row.concurrency_key}",
    "rate": "for tokens of {row.rate_limit}",
    "unknown": "set aside: no worker here knows this step",
    "invalid": "set aside: its state does not load",
}


def _until(row: Any, now: datetime) -> str:
    if row.deadline is None:
        return ""
    return f", {relative(row.deadline, now)} at the latest"
