"""What a drain has done: counts that compare with a dict, and what a failed test should show."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import Connection, select

from gendurable.lifecycle import TERMINAL, Status

#: How many notes are shown.
SHOWN = 3


class Tally(Counter[str]):
    """How many outcomes there were of each kind: next, retry, snooze, await, children, done, stop.

    Compares with a plain dict: ``assert drain(durable) == {"await": 1}``. Executions that lost
    their row before they could commit count as ``stale``. Its repr, which pytest shows when such an
    assertion fails, also says why instances have failed, and who has a row that was lost.
    """

    def __init__(self, *args: Any, **kwargs: int) -> None:
        super().__init__(*args, **kwargs)
        #: What a failed test should be told beside the counts.
        self.notes: list[str] = []

    def __repr__(self) -> str:
        return "; ".join([super().__repr__(), *self.shown])

    @property
    def shown(self) -> list[str]:
        """The first notes, and how many more there are."""
        hidden = len(self.notes) - SHOWN
        return [*self.notes[:SHOWN], *([f"and {hidden} more"] if hidden > 0 else [])]

    @property
    def steps(self) -> int:
        """How many steps ran."""
        return self.total()


def why_lost(conn: Connection, rows: Any, id: int) -> str:
    """Return what has become of a row that an outcome came too late for.

    *rows* are the columns of the instances.
    """
    query = select(rows.status, rows.step, rows.visit, rows.locked_by, rows.last_error)
    row = conn.execute(query.where(rows.id == id)).first()
    if row is None:
        return "it is gone"
    if row.status in TERMINAL:
        why = "" if row.last_error is None else f": {row.last_error}"
        return f"it is {row.status} meanwhile{why}"
    if row.status == Status.EXECUTING:
        return f"{row.locked_by} has claimed it meanwhile"
    return f"it was moved, and is {row.status} at {row.step} (visit {row.visit})"
