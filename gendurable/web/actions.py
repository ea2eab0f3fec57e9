"""Acting: a page that says what will happen and asks for what is needed, then the deed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import BadRequest, Forbidden, NotFound
from werkzeug.wrappers import Response

from gendurable.errors import GenDurableError, SchemaError
from gendurable.queries import details
from gendurable.web.forms import ACTIONS, Action
from gendurable.web.reading import snapshot

if TYPE_CHECKING:
    from gendurable.machine import Machine
    from gendurable.web.page import Page

#: Where one is sent when a deed is done; instances have a page each.
_HOMES = {"queues": "", "schedules": "schedules", "limits": "limits"}


def offered(page: Page, row: Any, machine: Machine | None) -> list[Action]:
    """Return what can be done to an instance as it stands."""
    if not page.may_act:
        return []
    return [
        one
        for (kind, name), one in ACTIONS.items()
        if kind == "instances"
        and row.status in one.statuses
        and (name != "resume" or row.paused_at is not None)
        and (name != "pause" or row.paused_at is None)
        and (name != "rewind" or machine is not None)
    ]


def carry_out(page: Page, kind: str, action: str) -> Response:
    """Ask for one thing to be done, or do it."""
    one = ACTIONS.get((kind, action))
    if one is None:
        raise NotFound("There is no such action here.")
    if not page.may_act:
        raise Forbidden("This dashboard only shows: actions are switched off.")
    source = page.request.form if page.request.method == "POST" else page.request.args
    name = source.get("target", "")
    target = _target(kind, name)
    if page.request.method != "POST":
        return _ask(page, one, name, target, {})
    filled = {
        field.name: page.request.form.get(field.name, "").strip() or None for field in one.fields
    }
    for field in one.fields:
        if field.required and filled[field.name] is None:
            return _ask(page, one, name, target, filled, f"{field.label} is missing.")
    try:
        seen = one.do(page.durable, target, filled, page.by)
    except SchemaError:
        raise
    except GenDurableError as error:
        return _ask(page, one, name, target, filled, str(error))
    home = _home(kind, name) if seen is None else f"instances/{seen}"
    return page.redirect(page.url(home, said=f"{kind}-{action}"))


def _ask(
    page: Page,
    action: Action,
    name: str,
    target: int | str,
    filled: Mapping[str, str | None],
    error: str | None = None,
) -> Response:
    """Show the form; after an error with what was filled in."""
    row, choices = None, {}
    if action.kind == "instances":
        assert isinstance(target, int)
        with snapshot(page.durable) as conn:
            row = details.row(conn, page.durable.db, target)
            if row is None:
                raise NotFound(f"There is no instance {target}.")
            if action.name == "rewind":
                choices["to"] = _places(page, row, details.history(conn, page.durable.db, row.id))
            if action.name == "signal":
                choices["name"] = [(one, one) for one in row.awaits or ()]
    response = page.render(
        "action.html",
        action=action,
        name=name,
        row=row,
        filled=filled,
        error=error,
        choices=choices,
        back=page.url(_home(action.kind, name)),
    )
    response.status_code = 200 if error is None else 422
    return response


def _target(kind: str, name: str) -> int | str:
    if not name or "\0" in name or len(name) > 2048:
        raise BadRequest("It is not said what this is to be done to.")
    if kind != "instances":
        return name
    if not (name.isascii() and name.isdecimal() and len(name) < 20 and 0 < int(name) < 2**63):
        raise BadRequest("This is no instance.")
    return int(name)


def _home(kind: str, name: str) -> str:
    return f"instances/{name}" if kind == "instances" else _HOMES[kind]


def _places(page: Page, row: Any, history: Sequence[Any]) -> list[tuple[str, str]]:
    """Return where an instance can be rewound to: its steps, and entries that kept a state."""
    machine = page.durable.catalogue.find(row.fsm, row.fsm_version)
    steps = [] if machine is None else dict.fromkeys(one.name for one in machine.steps.values())
    entries = [
        (str(entry.id), f"{entry.step}, as it was at {entry.inserted_at:%H:%M:%S} ({entry.kind})")
        for entry in history
        if entry.state is not None
    ]
    return [(step, step) for step in steps] + entries
