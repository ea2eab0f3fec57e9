"""What is left of a limit: the free slots of a key, the tokens in a bucket. Whole numbers only."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import count
from typing import Any, NamedTuple

#: In microseconds: how soon to look again at a bucket whose rate nobody knows, and what is as good
#: as never, a hundred years; if the rate changes, the bucket is looked at again.
UNKNOWN, NEVER = 1_000_000, 3_155_760_000_000_000
#: How soon to look at a bucket whose head could not be judged: somebody holds it, or its key.
UNJUDGED = 20_000


class Gate:
    """The room that a key has."""

    __slots__ = ("_slots", "free")

    def __init__(self, width: int, slots: Iterable[int]) -> None:
        taken = set(slots)
        #: How many more may start.
        self.free = max(0, width - len(taken))
        self._slots = (n for n in count() if n not in taken)

    def take(self) -> int:
        """Take the lowest free slot: with any other choice two claims might not meet."""
        self.free -= 1
        return next(self._slots)


class Turn(NamedTuple):
    """A row that was let in to take tokens; *due* only where others wait for that."""

    id: int
    due: Any
    left: int

    @classmethod
    def of(cls, id: int | None, due: Any, left: Any) -> Turn | None:
        """Return it as a statement did, None where it is nobody's turn."""
        return None if id is None else cls(id, due, left)


class Rival(NamedTuple):
    """The head of another queue that waits for the same tokens."""

    due: Any
    id: int
    weight: int

    @classmethod
    def of(cls, due: Any, id: int | None, weight: Any) -> Rival | None:
        """Return it as a statement did, None where nobody else waits."""
        return None if id is None else cls(due, id, weight)


class Bucket:
    """The tokens of a key, in whole units: *unit* of them to a token, *amount* a microsecond."""

    __slots__ = (
        "_level", "_rival", "_turn", "amount", "burst", "changed", "head", "key", "later", "turn",
        "unit", "used", "waits_for_turn",
    )  # fmt: skip

    def __init__(
        self,
        key: str,
        level: Any,
        stored_unit: int,
        used: str,
        elapsed: int,
        amount: int | None,
        per: int | None,
        burst: int | None,
        *,
        turn: Turn | None = None,
        rival: Rival | None = None,
    ) -> None:
        self.key = key
        self.used = used
        self.amount = amount
        self.unit = stored_unit if per is None else per
        self.burst = burst or 0
        self.head: int | None = None
        #: How soon to look at it if rows wait, and none was found to be the head.
        self.later = UNJUDGED
        self.changed = False
        self.turn = None if turn is None else turn.id
        self.waits_for_turn = False
        self._turn = turn
        self._rival = rival
        self._level = int(level) * self.unit // stored_unit
        if amount is not None:
            self._level = min(self.burst * self.unit, self._level + elapsed * amount)

    @property
    def known(self) -> bool:
        """Whether anybody configures this rate."""
        return self.amount is not None

    def admits(self, weight: int) -> bool:
        """Whether *weight* tokens are there; if not, whoever comes later waits, too.

        What is heavier than the bucket is large starts when it is full, and leaves a debt.
        """
        if self.head is not None:
            return False
        if not self.known:
            return self.close(UNKNOWN)
        missing = self._missing(weight)
        return missing <= 0 or self.close(missing)

    def yields(self, due: Any, id: int) -> bool:
        """Whether the head of another queue has waited longer, so that this one waits for it."""
        if self.head is not None or not self.known:
            return False
        turn, rival = self._turn, self._rival
        if turn is not None and turn.due is not None and (turn.due, turn.id) < (due, id):
            self.waits_for_turn = True
            self.close(max(0, turn.left))
            return True
        if rival is not None and (rival.due, rival.id) < (due, id):
            self.close(max(0, self._missing(rival.weight)))
            return True
        return False

    def _missing(self, weight: int) -> int:
        """Return in how many microseconds there are *weight* tokens; 0 or less: they are there."""
        missing = min(weight, self.burst) * self.unit - self._level
        if missing <= 0 or not self.amount:
            return 0 if missing <= 0 else NEVER
        return -(-missing // self.amount)

    def close(self, microseconds: int) -> bool:
        """Let nobody in for so long."""
        if self.head is None:
            self.head = min(microseconds, NEVER)
            self.changed = True
        return False

    def leave(self) -> None:
        """Leave what is there for want of a place to run: whoever waits is let in at once."""
        if self.changed:
            self.later = 0

    def take(self, id: int, weight: int) -> None:
        """Let a row take tokens."""
        self._level -= weight * self.unit
        if id == self.turn:
            self.turn = None
        self.changed = True

    def encode(self) -> str:
        """Return what is left, for the commit."""
        return json.dumps(
            {
                "key": self.key,
                "level": self._level,
                "unit": self.unit,
                "used": self.used,
                "head": self.head,
                "later": self.later,
                "turn": self.turn,
                "amount": None if self.waits_for_turn else self.amount,
                "burst": self.burst if self.known else None,
            }
        )
