"""Who may start: concurrency keys and rates, judged in order of urgency under the rows' locks.

A slot is free because no executing row has it; nothing is counted up or down. A claim starts no
more rows of a key than there is room for, in the lowest free slots, so that two claims that raced
meet in one slot and the unique index stops the second.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gendurable.engine.room import UNJUDGED, Bucket, Gate, Rival, Turn
from gendurable.queries import buckets as rates
from gendurable.queries import claim, crowds
from gendurable.queries import limits as keys

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gendurable.queries.statement import Database

#: Where a claimed row has what is judged here.
ID, PRIORITY, KEY, RATE, WEIGHT, DUE = 0, 10, 19, 20, 21, 22
STARTED, WON, MAIL = 23, 24, 25
#: Behind a locked row that was not met by the claim itself: not started, no lock, perhaps mail.
FETCHED = (False, None, True, None)
#: How many of the first due rows are marked at once: a few, and if that helps, many.
SOME, MANY = 200, 10_000


@dataclass(slots=True)
class Admission:
    """What became of the limited rows of a claim."""

    #: The rows that were started.
    rows: list[Any] = field(default_factory=list)
    #: How many rows were marked as waiting.
    marked: int = 0
    #: Keys that somebody has to look at once this is committed.
    look: set[str] = field(default_factory=set)
    #: Keys that another claim holds just now.
    contended: set[str] = field(default_factory=set)
    #: Limited rows that could start, if there were a free slot in the worker.
    crowded: bool = False
    #: Something was put before the claim that was not there.
    again: bool = False
    #: How many rows wait for each key, and for tokens of each rate, since now.
    throttled: Counter[str] = field(default_factory=Counter)
    dry: Counter[str] = field(default_factory=Counter)
    #: Rates that nobody knows, each with a row that waits for it.
    unknown: dict[str, Any] = field(default_factory=dict)
    #: The head of a bucket waits for an instant.
    timer: bool = False


def admit(
    conn: Connection,
    db: Database,
    queue: str,
    rows: Sequence[Any],
    room: int,
    *,
    worker: str,
    ttl: float,
) -> Admission:
    """Judge the limited ones among the locked *rows* of a claim, and start what may start.

    Args:
        conn: the transaction of the claim.
        db: the statements.
        queue: the queue that was claimed from.
        rows: all rows that the claim has locked, those that it has started among them.
        room: how many rows, limited or not, may be in the worker's slots after this.
        worker: who claims.
        ttl: the length of the lease, in seconds.

    Raises:
        IntegrityError: another claim was first in one of the slots: the claim is to be repeated.
    """
    court = _Court(conn, db, queue, room)
    court.call(rows)
    verdicts = court.judge(sorted(_urgency(row) for row in rows if row[STARTED]))
    if verdicts:
        claim.admit(conn, db, worker, ttl, verdicts)
    court.settle()
    return court.admission


class _Court:
    """One claim's judgement."""

    def __init__(self, conn: Connection, db: Database, queue: str, room: int) -> None:
        self._conn = conn
        self._db = db
        self._queue = queue
        self._room = room
        self._gates: dict[str, Gate] = {}
        self._buckets: dict[str, Bucket] = {}
        #: Locked rows, each with what it waits for so far.
        self._candidates: list[tuple[Any, str | None]] = []
        self.admission = Admission()

    def call(self, rows: Iterable[Any]) -> None:
        """Gather whom to judge: rows that the claim met, and those that wait for the same."""
        limited = [row for row in rows if not row[STARTED]]
        # A lock may be won at a key's second row: what is before it would be passed.
        lost = {row[KEY] for row in limited if row[KEY] is not None and not row[WON]}
        self.admission.contended |= lost
        self._candidates += [(row, None) for row in limited if row[KEY] not in lost]
        self._open_gates({row[KEY] for row, _ in self._candidates if row[KEY] is not None})
        wanted = {row[RATE] for row, _ in self._candidates if row[RATE] is not None}
        missing = self._open_buckets(wanted)
        if missing:
            rates.open_(self._conn, self._db, missing)
            self._open_buckets(missing)

    def _open_gates(self, names: set[str]) -> None:
        if not names:
            return
        for key, width, slots, *row in keys.gates(
            self._conn, self._db, names, self._queue, self._room
        ):
            if key not in self._gates:
                self._gates[key] = Gate(width, slots)
            if row[ID] is not None:
                self._candidates.append(((*row, *FETCHED), "key"))

    def _open_buckets(self, names: set[str]) -> set[str]:
        """Read and lock buckets; return those that are not there."""
        missing: set[str] = set()
        if not names:
            return missing
        for key, there, *rest in rates.read(self._conn, self._db, names, self._queue, self._room):
            policy, turn, rival, row = rest[:7], rest[7:10], rest[10:13], rest[13:]
            if not there:
                missing.add(key)
            elif policy[0] is not None:  # not held by somebody else
                if key not in self._buckets:
                    self._buckets[key] = Bucket(
                        key, *policy, turn=Turn.of(*turn), rival=Rival.of(*rival)
                    )
                if row[ID] is not None:
                    self._candidates.append(((*row, *FETCHED), "rate"))
        return missing

    def judge(self, others: list[tuple[Any, ...]]) -> list[str]:
        """Judge in order of urgency; *others* are the rows that no limit concerned."""
        verdicts = []
        self._candidates.sort(key=lambda one: _urgency(one[0]))
        for row, waits_for in self._candidates:
            if len(self.admission.rows) + bisect_left(others, _urgency(row)) >= self._room:
                self.admission.crowded = True
                for bucket in self._buckets.values():
                    bucket.leave()
                break
            verdict = self._judge(row)
            if verdict is None:
                continue
            starts, slot, blocked = verdict
            if starts:
                self.admission.rows.append(row)
            elif blocked == waits_for:
                continue
            else:
                self._note(row, blocked)
            verdicts.append(
                json.dumps({"id": row[ID], "starts": starts, "slot": slot, "blocked": blocked})
            )
        # Whoever was not reached may be the one that could start.
        fetched = {row[KEY] for row, waits_for in self._candidates if waits_for == "key"}
        self.admission.look.update(key for key in fetched if self._gates[key].free)
        return verdicts

    def _judge(self, row: Any) -> tuple[bool, int | None, str | None] | None:
        """Return (starts, slot, waits for) for one row; None: it stays as it is."""
        key, rate = row[KEY], row[RATE]
        gate = self._gates.get(key) if key is not None else None
        if key is not None and gate is None:
            # It waited for tokens, and its key is not ours: let the claim meet it.
            self._buckets[rate].close(UNJUDGED)
            self.admission.again = True
            return False, None, None
        if gate is not None and not gate.free:
            return False, None, "key"
        if rate is not None:
            bucket = self._buckets.get(rate)
            if bucket is None:
                self.admission.contended.add(rate)
                return None
            if bucket.yields(row[DUE], row[ID]) or not bucket.admits(row[WEIGHT]):
                return False, None, "rate"
            bucket.take(row[ID], row[WEIGHT])
        return True, None if gate is None else gate.take(), None

    def _note(self, row: Any, blocked: str | None) -> None:
        """Note that a row waits for something that it did not wait for before."""
        admission = self.admission
        if blocked is None:
            return
        admission.marked += 1
        if row[KEY] is not None:
            admission.look.add(row[KEY])
        if blocked == "key":
            admission.throttled[row[KEY]] += 1
        else:
            admission.dry[row[RATE]] += 1
            if not self._buckets[row[RATE]].known:
                admission.unknown[row[RATE]] = row

    def settle(self) -> None:
        """Write down what is left in the buckets, and when their heads may start."""
        waiting = {row[RATE] for row, waits_for in self._candidates if waits_for == "rate"}
        spent = [
            bucket.encode()
            for key, bucket in sorted(self._buckets.items())
            if bucket.changed or key in waiting
        ]
        self.admission.timer = any(
            bucket.head is not None for bucket in self._buckets.values()
        ) or bool(waiting)
        if spent:
            rates.spend(self._conn, self._db, spent)


def in_order(rows: Iterable[Any]) -> list[Any]:
    """Return claimed rows in the order in which they are to start."""
    return sorted(rows, key=_urgency)


def _urgency(row: Any) -> tuple[Any, ...]:
    return row[PRIORITY], row[DUE], row[ID]


def mark_crowd(conn: Connection, db: Database, queue: str) -> set[str]:
    """Mark the first due rows of a queue that cannot start; return the keys to look at."""
    look: set[str] = set()
    for limit in (SOME, MANY):
        marked = crowds.mark_keys(conn, db, queue, limit)
        look.update(key for key, _ in marked)
        total = sum(number for _, number in marked) + crowds.mark_rates(conn, db, queue, limit)
        if total < limit // 2:
            break
    return look
