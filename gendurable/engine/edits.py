"""Edits of one instance: back to a step, or another state. Whoever executes it loses it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from gendurable.engine import control, targets
from gendurable.engine.patching import patched
from gendurable.errors import InvalidInput, InvalidOutcome
from gendurable.lifecycle import TERMINAL, Status
from gendurable.queries import children, history
from gendurable.queries import edits as query
from gendurable.state import describe, load_state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from gendurable.engine.aftercare import Aftercare
    from gendurable.machine import Machine
    from gendurable.queries.statement import Database
    from gendurable.registry import Catalogue


@dataclass(frozen=True, slots=True)
class Subject:
    """A locked row as this build sees it: brought up to the version of its machine."""

    row: Any
    machine: Machine
    state: dict[str, Any]
    step: str
    adopted: bool

    @property
    def version(self) -> int | None:
        """The version to write, None if it stays."""
        return self.machine.version if self.adopted else None


def rewind(
    conn: Connection,
    db: Database,
    target: int | str,
    to: str | int | Callable[..., Any],
    *,
    care: Aftercare,
    catalogue: Catalogue,
    by: str | None = None,
    reason: str | None = None,
    me: int | None = None,
) -> str:
    """Set an instance to a step, or to where an entry of its history stood; return its queue.

    Raises:
        NoTarget: it is not there.
        InvalidInput: *to* is no step of it and no entry that holds a state.
        DuplicateInstance: it had ended, and its key was taken since.
    """
    subject = _subject(conn, db, target, catalogue, me, "rewind")
    row, machine = subject.row, subject.machine
    state = json.dumps(subject.state) if subject.adopted else None
    if isinstance(to, int):
        to, state = _entry(conn, db, subject, to)
    try:
        step = machine.resolve(to)
    except InvalidOutcome as error:
        raise InvalidInput(f"to={to!r}: {error}") from None
    stays = step == _resolved(machine, subject.step)
    version = subject.version
    set_back = partial(
        query.rewind, conn, db, row.id, step=step, state=state, version=version, stays=stays
    )
    queue = control.revived(conn, db, row, set_back)
    if row.parent_id is not None and row.status in TERMINAL:
        undone = int(row.status == Status.DONE)
        children.join_round(conn, db, row.parent_id, row.parent_round, 1, undone)
    _record(conn, db, "rewound", row, by, reason)
    care.moved(row)
    care.taken(row)
    return queue


def patch(
    conn: Connection,
    db: Database,
    target: int | str,
    values: Mapping[str, Any],
    *,
    care: Aftercare,
    expect: int | None,
    catalogue: Catalogue,
    max_size: int,
    by: str | None = None,
    reason: str | None = None,
    me: int | None = None,
) -> set[str]:
    """Change fields of the state of an instance; name the queue that has work by that.

    Raises:
        NoTarget: it is not there.
        InvalidInput: it is at another visit than *expect*, or its class refuses the state.
    """
    subject = _subject(conn, db, target, catalogue, me, "patch the state of")
    row = subject.row
    if expect is not None and row.visit != expect:
        raise InvalidInput(
            f"instance {row.id} is at visit {row.visit}, not at expect={expect}: it went on since"
            " you looked; look again"
        )
    state = patched(subject.machine.cls, subject.state, values, max_size)
    step = subject.step if subject.adopted else None
    queue, status = query.patch(conn, db, row.id, state=state, step=step, version=subject.version)
    _record(conn, db, "patched", row, by, reason)
    care.moved(row)
    care.taken(row)
    return {queue} if status == "runnable" else set()


def _subject(
    conn: Connection,
    db: Database,
    target: int | str,
    catalogue: Catalogue,
    me: int | None,
    what: str,
) -> Subject:
    """Lock an instance and bring it, in memory, up to the version of the machine that runs it."""
    id = targets.locked(conn, db, target).id
    targets.refuse_self([id], me, what)
    row = query.read(conn, db, id)
    machine = catalogue.find(row.fsm, row.fsm_version)
    if machine is None:
        raise InvalidInput(
            f"instance {id} is a {row.fsm} version {row.fsm_version}, which is not known here:"
            " import its class first, so that its steps and its state can be checked"
        )
    state = json.loads(row.state)
    if machine.version == row.fsm_version:
        return Subject(row, machine, state, row.step, False)
    try:
        state, step = machine.upgrade(row.fsm_version, state, row.step)
    except Exception as error:
        raise InvalidInput(
            f"instance {id} cannot be upgraded from version {row.fsm_version}: {describe(error)}"
        ) from error
    return Subject(row, machine, state, step, True)


def _entry(conn: Connection, db: Database, subject: Subject, id: int) -> tuple[str, str]:
    """Return the step and the state of an entry of the history, if the class still loads it."""
    found = query.entry(conn, db, id)
    mine = subject.row.id
    if found is None or found.instance_id != mine:
        raise InvalidInput(f"to={id}: instance {mine} has no such entry in its history")
    if found.state is None:
        raise InvalidInput(
            f"to={id}: that entry ({found.kind!r}) holds no state; classes with history='all' keep"
            " it for their outcomes, others for edits only. Name a step instead"
        )
    try:
        load_state(subject.machine.cls, found.state)
    except ValidationError as error:
        raise InvalidInput(
            f"to={id}: {subject.machine.name} version {subject.machine.version} does not load the"
            f" state of that entry: {describe(error)}"
        ) from error
    return found.step, found.state


def _resolved(machine: Machine, step: str) -> str:
    """Return the present name of a stored step; one that is unknown by now has no other."""
    found = machine.steps.get(step)
    return step if found is None else found.name


def _record(
    conn: Connection, db: Database, kind: str, row: Any, by: str | None, reason: str | None
) -> None:
    """Keep what was before the edit, so that a rewind to this entry takes it back."""
    entry = {
        "instance_id": row.id,
        "kind": kind,
        "step": row.step,
        "attempt": row.attempt,
        "visit": row.visit,
        "state": json.loads(row.state),
        "made_by": by,
        "reason": reason,
    }
    history.record(conn, db, [json.dumps(entry)])
