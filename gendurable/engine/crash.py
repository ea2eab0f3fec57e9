"""What a death costs: one attempt and one crash, a growing wait, and in the end the budget."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gendurable.engine import ending
from gendurable.queries import deaths, history
from gendurable.retry import jitter
from gendurable.state import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from gendurable.engine.nouns import Finished
    from gendurable.queries.statement import Database

#: Longest wait between two crashes, in seconds.
CAP = 300.0


@dataclass(frozen=True, slots=True)
class Corpse:
    """A locked row whose execution ended without an outcome."""

    id: int
    crashes: int  # before this one
    max_crashes: int | None
    queue: str
    error: str
    parent_id: int | None
    step: str
    attempt: int
    visit: int
    worker: str | None = None
    recorded: bool = False  # the machine keeps a history

    @classmethod
    def of(cls, one: Finished) -> Corpse:
        """Make one of an execution that a ``BaseException`` ended in this very process."""
        claim = one.claim
        error = one.error
        return cls(
            claim.id,
            claim.crashes,
            claim.machine.max_crashes,
            claim.queue,
            describe(error) if error else "crashed",
            claim.parent_id,
            claim.step,
            claim.attempt,
            claim.visit,
        )

    @property
    def spent(self) -> bool:
        """Whether this death spends the budget."""
        return self.max_crashes is not None and self.crashes + 1 >= self.max_crashes


@dataclass(slots=True)
class Buried:
    """Which queues have work again, and which instances failed for good."""

    queues: set[str]
    failed: list[int]


def delay(crashes: int) -> float:
    """Return how many seconds to wait after that many *crashes* in a row.

    The wait doubles from a quarter of a second; a random share of it is dropped, so that a
    bystander that died with a killer does not meet it at the next start again.

    Source:
        "Full jitter": M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    return jitter(min(CAP, 0.25 * 2 ** min(crashes - 1, 20)))


def bury(conn: Connection, db: Database, corpses: Sequence[Corpse]) -> Buried:
    """Hand locked rows back, or fail those that have crashed too often."""
    spent = {
        one.id: f"crash budget exhausted: {one.crashes + 1} workers died in this step; {one.error}"
        for one in corpses
        if one.spent
    }
    back = [one for one in corpses if not one.spent]
    if back:
        deaths.reap(
            conn,
            db,
            (
                json.dumps({"id": one.id, "delay": delay(one.crashes + 1), "error": one.error})
                for one in back
            ),
        )
    queues = {one.queue for one in back}
    if spent:
        queues |= ending.fail(conn, db, spent)
    entries = [_entry(one) for one in corpses if one.recorded]
    if entries:
        history.record(conn, db, entries)
    return Buried(queues, list(spent))


def _entry(one: Corpse) -> str:
    return json.dumps(
        {
            "instance_id": one.id,
            "kind": "crashed",
            "step": one.step,
            "attempt": one.attempt,
            "visit": one.visit,
            "worker": one.worker,
            "error": one.error,
        }
    )
