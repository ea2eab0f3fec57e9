"""What the database's own faults leave open: whose error it is, and whose the row."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gendurable.engine import faults
from gendurable.queries import outcomes

if TYPE_CHECKING:
    from gendurable.engine.scope import Scope

#: How often a step that had to give way runs again before that is an error of the step.
REPEATS = 5
#: The first and the longest wait, in seconds, after a connection was lost.
FIRST, LONGEST = 0.05, 2.0

#: Yields calls to make, is sent their results, answers a question.
Asks: TypeAlias = Generator[Callable[[], Any], Any, bool]


class Doubt:
    """What the database's own faults leave uncertain about one execution."""

    __slots__ = ("_delay", "_repeats", "_scope")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._repeats = 0
        self._delay = FIRST

    def covers(self, error: Exception) -> bool:
        """Whether an error of the open session is none of the step: it runs again.

        So it does where its pool had no connection left: others, who have one, let go of it.
        """
        if not self._scope.touched:
            return False
        if isinstance(error, PoolTimeout):
            return self._scope.disconnected and self._once_more()
        if not isinstance(error, DBAPIError):
            return False
        if faults.is_conflict(error):
            return self._once_more()
        if not faults.is_disconnect(error):
            return False
        if faults.sqlstate(error) is not None or self._scope.invalidated:
            return True
        # It may be another database that is away, and in the end that is for the step.
        return self._scope.disconnected and self._once_more()

    def _once_more(self) -> bool:
        self._repeats += 1
        return self._repeats <= REPEATS

    def row_is_lost(self, error: Exception) -> Asks:
        """Say whether the row is no longer ours, which only a lost connection leaves in doubt.

        Then it was committed, the answer being lost, or somebody else has it: nothing is left to
        do. Waits until the database is back.
        """
        if not faults.is_disconnect(error):
            return False
        while True:
            delay, self._delay = self._delay, min(self._delay * 2, LONGEST)
            yield partial(asyncio.sleep if self._scope.is_async else time.sleep, delay)
            try:
                return not (yield self._look)
            except PoolTimeout:  # somebody has the connections; it is no answer
                pass
            except DBAPIError as again:
                if not (faults.is_lost(again) or faults.is_transient(again)):
                    raise
            if self._scope.stopping:
                return True

    def _look(self) -> Any:
        """Return whether the row is still ours, from a thread of its own if this is a loop."""
        return asyncio.to_thread(self._owned) if self._scope.is_async else self._owned()

    def _owned(self) -> bool:
        """Whether the row is still ours; locked, since a lost commit may still be on its way."""
        scope, claim = self._scope, self._scope.claim
        with scope.durable.engine.begin() as conn:
            found = outcomes.lock(conn, scope.durable.db, [claim.id], wait=True)
        return found.get(claim.id) == (scope.worker, claim.claim_seq)
