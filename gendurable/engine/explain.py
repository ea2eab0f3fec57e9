"""Why is this not running? One answer, from what the tables hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from gendurable.engine import targets, waiting
from gendurable.engine.explanation import (
    Explanation,
    Reason,
    View,
    at,
    by_whom,
    paused_too,
    span,
    until,
)
from gendurable.lifecycle import TERMINAL, Status
from gendurable.queries import explain as query
from gendurable.queries import lookup
from gendurable.state import describe, load_state

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gendurable.machine import Machine
    from gendurable.queries.statement import Database
    from gendurable.registry import Catalogue
    from gendurable.settings import Settings

#: A transaction that is younger, in seconds, may be the claim itself.
MOMENT = 1.0


def explain(
    conn: Connection,
    db: Database,
    target: int | str,
    settings: Settings,
    catalogue: Catalogue,
) -> Explanation:
    """Return the first thing that keeps an instance from running.

    Raises:
        NoTarget: it is not visible.
    """
    seen = lookup.find(conn, db, target)
    # A worker that has not beaten for the length of a lease is dead to everybody.
    row = seen and query.look(conn, db, seen.id, settings.lease_ttl)
    if row is None:
        raise targets.no_target(target)
    view = View(conn, db, row, settings, catalogue)
    for answer in _ANSWERS:
        found = answer(view)
        if found is not None:
            return found
    raise AssertionError("unreachable: the last answer fits all")


def _ended(view: View) -> Explanation | None:
    row = view.row
    if row.status not in TERMINAL:
        return None
    why = f": {row.last_error}" if row.last_error and row.status != Status.DONE else ""
    details = {"status": Status(row.status), "last_error": row.last_error}
    text = f"It has ended {row.status} in step {row.step!r}{why}"
    return Explanation(Reason.ENDED, text, details)


def _executing(view: View) -> Explanation | None:
    row = view.row
    if row.status != Status.EXECUTING:
        return None
    left = (row.lease_expires_at - row.seen_at).total_seconds()
    lease = f"lease until {at(row.lease_expires_at)}"
    if left < 0:
        lease = f"lease lapsed {span(-left)} ago, so that any worker's reaper takes it back"
    details = {"worker": row.locked_by, "lease_expires_at": row.lease_expires_at}
    text = f"Step {row.step!r} is executing on worker {row.locked_by}, {lease}{paused_too(row)}"
    return Explanation(Reason.EXECUTING, text, details)


def _awaiting_signal(view: View) -> Explanation | None:
    row = view.row
    if row.status != Status.AWAITING_SIGNAL:
        return None
    names = ", ".join(map(repr, row.awaits))
    text = f"It is parked on {names}{until(row)}{paused_too(row)}"
    details = {"awaits": tuple(row.awaits), "deadline": row.deadline}
    return Explanation(Reason.AWAITING_SIGNAL, text, details)


def _awaiting_children(view: View) -> Explanation | None:
    row = view.row
    if row.status != Status.AWAITING_CHILDREN:
        return None
    total = query.children_of_round(view.conn, view.db, row.id, row.round)
    quorum = f", or until {row.quorum} of them are done" if row.quorum is not None else ""
    text = (
        f"It waits for {row.children_pending} of {total} children{quorum}{until(row)}"
        f"{paused_too(row)}"
    )
    details = {
        "pending": row.children_pending,
        "children": total,
        "done": row.children_done,
        "quorum": row.quorum,
        "deadline": row.deadline,
    }
    return Explanation(Reason.AWAITING_CHILDREN, text, details)


def _paused(view: View) -> Explanation | None:
    row = view.row
    if row.paused_at is None:
        return None
    by, reason = query.paused_by(view.conn, view.db, row.id)
    text = f"It is paused since {at(row.paused_at)}{by_whom(by, reason)}"
    details = {"paused_at": row.paused_at, "by": by, "reason": reason}
    return Explanation(Reason.PAUSED, text, details)


def _queue_paused(view: View) -> Explanation | None:
    row = view.row
    if row.queue_paused_at is None:
        return None
    by, reason = row.queue_paused_by, row.queue_pause_reason
    text = f"Its queue {row.queue!r} is paused since {at(row.queue_paused_at)}{by_whom(by, reason)}"
    details = {"queue": row.queue, "paused_at": row.queue_paused_at, "by": by, "reason": reason}
    return Explanation(Reason.QUEUE_PAUSED, text, details)


def _unknown(view: View) -> Explanation | None:
    row = view.row
    if row.blocked != "unknown":
        return None
    what = f"{row.fsm} version {row.fsm_version}, step {row.step!r}"
    text = f"It was set aside: no worker of queue {row.queue!r} that lives knows {what}"
    if row.knowing:
        names = ", ".join(row.knowing)
        text = f"It was set aside by a worker that does not know {what}; {names} takes it back"
    details = {"fsm": row.fsm, "fsm_version": row.fsm_version, "step": row.step}
    return Explanation(Reason.UNKNOWN_STEP, text, details | {"workers": tuple(row.knowing)})


def _invalid(view: View) -> Explanation | None:
    row = view.row
    if row.blocked != "invalid":
        return None
    machine = view.catalogue.find(row.fsm, row.fsm_version)
    error = None
    text = f"It was set aside: its state was no valid {row.fsm} version {row.fsm_version}"
    if machine is not None:
        try:
            _load(machine, row.fsm_version, row.state, row.step)
            text += "; the class that is known here loads it, so a worker that starts takes it back"
        except Exception as problem:
            error = describe(problem)
            text += f", nor is it one here: {error}"
    return Explanation(Reason.INVALID_STATE, text, {"error": error})


def _load(machine: Machine, version: int, text: str, step: str) -> None:
    """Load a state as a step's execution does; raise what that would meet."""
    if machine.version != version:
        state, _ = machine.upgrade(version, json.loads(text), step)
        text = json.dumps(state)
    load_state(machine.cls, text)


def _not_due(view: View) -> Explanation | None:
    row = view.row
    wait = (row.eligible_at - row.seen_at).total_seconds()
    if wait <= 0:
        return None
    text = f"It is not due until {at(row.eligible_at)}, in {span(wait)}"
    if row.last_error:
        text += f"; before, it met {row.last_error}"
    return Explanation(Reason.NOT_DUE, text, {"eligible_at": row.eligible_at})


def _no_worker(view: View) -> Explanation | None:
    row = view.row
    if row.serving:
        return None
    text = f"It is due, and no worker that lives serves its queue {row.queue!r}"
    return Explanation(Reason.NO_WORKER, text, {"queue": row.queue})


def _nobody_knows(view: View) -> Explanation | None:
    row = view.row
    if row.knowing:
        return None
    what = f"{row.fsm} version {row.fsm_version}, step {row.step!r}"
    text = f"It is due, and no worker of queue {row.queue!r} that lives knows {what}"
    details = {"fsm": row.fsm, "fsm_version": row.fsm_version, "step": row.step, "workers": ()}
    return Explanation(Reason.UNKNOWN_STEP, text, details)


def _locked(view: View) -> Explanation | None:
    held = query.held_by(view.conn, view.db, view.row.id)
    if held is None or (held.seconds or 0.0) < MOMENT:
        return None
    if held.pid is None:
        who = f"the prepared transaction {held.gid!r}"
    else:
        who = f"session {held.pid} ({held.application_name or 'no name'}, {held.state})"
    age = "" if held.seconds is None else f", begun {span(held.seconds)} ago"
    text = f"It is due, and locked by an open transaction: that of {who}{age}"
    details = {"pid": held.pid, "prepared": held.gid, "seconds": held.seconds}
    return Explanation(Reason.LOCKED, text, details)


def _due(view: View) -> Explanation:
    row = view.row
    text = f"It is due since {at(row.eligible_at)}, and a worker should take it in moments"
    return Explanation(
        Reason.DUE, text, {"eligible_at": row.eligible_at, "workers": tuple(row.knowing)}
    )


#: The first that fits is told: what an operator must know before all else stands first.
_ANSWERS: tuple[Callable[[View], Explanation | None], ...] = (
    _ended,
    _executing,
    _awaiting_signal,
    _awaiting_children,
    _paused,
    _queue_paused,
    _unknown,
    _invalid,
    _not_due,
    waiting.for_tokens,
    waiting.for_a_key,
    _no_worker,
    _nobody_knows,
    _locked,
    _due,
)
