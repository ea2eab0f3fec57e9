"""What a drain has done: counts that compare with a dict, and what a failed test should show."""

from __future__ import annotations

from collections import Counter
from typing import Any

#: How many failures are shown.
SHOWN = 3


class Tally(Counter[str]):
    """How many outcomes there were of each kind: next, retry, snooze, await, children, done, stop.

    Compares with a plain dict: ``assert drain(durable) == {"await": 1}``. Executions that lost
    their row before they could commit count as ``stale``. Its repr, which pytest shows when such an
    assertion fails, also says why instances have failed.
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
        return [*self.notes[:SHOWN], *([f"{hidden} more failed"] if hidden > 0 else [])]

    @property
    def steps(self) -> int:
        """How many steps ran."""
        return self.total()
