"""Assertions about an instance whose messages say what the row looks like instead."""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import select

from gendurable.durable import Durable
from gendurable.lifecycle import Status
from gendurable.models import NOW, Instance
from gendurable.models.schemas import tables_for
from gendurable.signals import Signal, signal_name
from gendurable.spawn import key_text
from gendurable.testing.reach import Place, check_binding, connected

_ANY: Final = object()


def assert_status(
    durable: Durable, target: Any, status: str, *, step: str | None = None, session: Place = None
) -> None:
    """Assert that *target* has *status*, and is at *step* if that is given.

    Args:
        durable: the binding.
        target: an id, a handle or a correlation key; of several that bore it, the latest.
        status: one of ``gendurable.Status``, or its value.
        step: the name of the step.
        session: a session or connection of the test.
    """
    row = _find(durable, target, session)
    if row.status != Status(status):
        _fail(target, row, f"to be {status}")
    if step is not None and row.step != step:
        _fail(target, row, f"to be at step {step!r}")


def assert_awaiting(
    durable: Durable,
    target: Any,
    *signals: str | type[Signal],
    step: str | None = None,
    session: Place = None,
) -> None:
    """Assert that *target* is parked, on exactly these *signals* if any are given.

    *step* is where it goes on. The other arguments are those of ``assert_status``.
    """
    row = _find(durable, target, session)
    names = sorted(map(signal_name, signals))
    if row.status != Status.AWAITING_SIGNAL:
        _fail(target, row, f"to await {' or '.join(names) or 'a signal'}")
    if names and sorted(row.awaits or ()) != names:
        _fail(target, row, f"to await {' or '.join(names)}")
    if step is not None and row.step != step:
        _fail(target, row, f"to go on at step {step!r}")


def assert_done(
    durable: Durable, target: Any, result: Any = _ANY, *, session: Place = None
) -> None:
    """Assert that *target* is done, with this *result* if one is given."""
    row = _find(durable, target, session)
    if row.status != Status.DONE:
        _fail(target, row, "to be done")
    if result is not _ANY and row.result != result:
        _fail(target, row, f"to be done with {result!r}")


def assert_failed(
    durable: Durable, target: Any, match: str | None = None, *, session: Place = None
) -> None:
    """Assert that *target* has failed, with an error in which the pattern *match* is found."""
    row = _find(durable, target, session)
    if row.status != Status.FAILED:
        _fail(target, row, "to have failed")
    if match is not None and not re.search(match, row.last_error or ""):
        _fail(target, row, f"to have failed with {match!r}")


def _find(durable: Durable, target: Any, session: Place) -> Any:
    """Return the row of *target*, and whether it is overdue, or fail."""
    check_binding(durable)
    instance: type[Instance] = tables_for(durable.settings.schema).Instance
    columns = instance.__table__.c
    overdue = (columns.deadline <= NOW).label("overdue")
    query = select(*columns, overdue).order_by(
        columns.correlation_guard.is_(None), columns.id.desc()
    )
    if isinstance(target, str | tuple):
        where = columns.correlation_key == key_text(target, "target")
    else:
        where = columns.id == int(target)
    with connected(durable, session) as conn:
        row = conn.execute(query.where(where).limit(1)).first()
    if row is None:
        raise AssertionError(f"expected an instance {_shown(target)}, but there is none")
    return row


def _fail(target: Any, row: Any, expected: str) -> None:
    raise AssertionError(f"expected instance {_shown(target)} {expected}, but {_description(row)}")


def _description(row: Any) -> str:
    """What the row looks like: the fields that say where it stands, and why."""
    facts = {
        "attempt": row.attempt or None,
        "awaits": row.awaits,
        "children_pending": row.children_pending or None,
        "blocked": row.blocked,
        "paused_at": row.paused_at,
        "eligible_at": row.eligible_at if row.status == Status.RUNNABLE else None,
        "deadline": row.deadline,
        "locked_by": row.locked_by,
        "result": row.result,
        "last_error": row.last_error,
        "state": row.state,
    }
    listed = ", ".join(f"{name}={value!s}" for name, value in facts.items() if value is not None)
    hint = "; its deadline has passed: drain() or fire_timeouts() fires it" if row.overdue else ""
    return f"it is {row.status} at step {row.step!r} of {row.fsm}: {listed}{hint}"


def _shown(target: Any) -> str:
    return repr(target) if isinstance(target, str | tuple) else str(int(target))
