"""What is left of a limit: the free slots of a key, the tokens in a bucket. Whole numbers only."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import count
from typing import Any

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


class Bucket:
    """The tokens of a key, in whole units: *unit* of them to a token, *amount* a microsecond."""

    __slots__ = ("_level", "amount", "burst", "changed", "head", "key", "later", "unit", "used")

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
        missing = min(weight, self.burst) * self.unit - self._level
        if missing <= 0:
            return True
        return self.close(-(-missing // self.amount) if self.amount else NEVER)

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

    def take(self, weight: int) -> None:
        """Take tokens."""
        self._level -= weight * self.unit
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
                "amount": self.amount,
                "burst": self.burst if self.known else None,
            }
        )
