"""Running everything that can run, in the thread of the test, with the statements of production."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError

from gendurable import migrations
from gendurable.durable import Durable
from gendurable.engine import faults, gates, leases, limits
from gendurable.engine.claim import claim
from gendurable.engine.commit import commit
from gendurable.engine.executor import Executor, Hooks
from gendurable.engine.nouns import Claim, Finished
from gendurable.lifecycle import Status
from gendurable.models import NOW
from gendurable.testing.clock import bring_forward
from gendurable.testing.loops import finish
from gendurable.testing.reach import Place
from gendurable.testing.stage import staged
from gendurable.testing.tally import Tally, why_lost

#: How often tokens flow in without a step that could run: for other queues, or rows that are held.
VAIN = 100
#: What a drain without a session shows that has found nothing.
IDLE = "nothing is due; what a test has not committed takes drain(..., session=its session)"


def drain(
    durable: Durable,
    *,
    queue: str | None = None,
    with_scheduled: bool = True,
    max_steps: int = 1000,
    session: Place = None,
) -> Tally:
    """Run whatever can run, one step after the other, until nothing is left.

    Claims, steps and commits are those of a worker, without its threads: most urgent first within
    a queue, children and what a step inserts included. Deadlines that have passed are fired, and
    lapsed leases taken back, as the reaper of a worker does; ``fire_timeouts`` fires early ones. A
    ``BaseException`` that is no ``Exception`` leaves the drain once its row was given back.

    Args:
        durable: the binding.
        queue: the only queue to run; default: all.
        with_scheduled: whether to run what is due later, too, in the order in which it is due;
            delays, backoffs and snoozes take no time then.
        max_steps: how many steps may run before the test fails.
        session: a session or connection of the test, in whose transaction everything happens;
            default: transactions of its own, which commit.

    Raises:
        AssertionError: there is still work after *max_steps*.
        SchemaError: the schema is missing or too old.
    """
    with staged(durable, session) as binding:
        tally = _Drain(binding, queue, with_scheduled, max_steps, session is None).run()
    if session is None and not tally:
        tally.notes.append(IDLE)
    return tally


class _Drain:
    """One drain: a worker without threads."""

    def __init__(
        self, binding: Any, queue: str | None, scheduled: bool, limit: int, commits: bool
    ) -> None:
        self._binding = binding
        self._commits = commits
        self._scheduled = scheduled
        self._limit = limit
        self._worker = f"drain:{secrets.token_hex(8)}"
        self._executor = Executor(
            binding, self._worker, Hooks(lambda claim: False, lambda claim: None)
        )
        self._rows = binding.Instance.__table__.c
        self._waiting = [
            self._rows.status == Status.RUNNABLE,
            self._rows.blocked.is_(None),
            self._rows.paused_at.is_(None),
        ]
        if queue is not None:
            self._waiting.append(self._rows.queue == queue)
        self._tally = Tally()
        #: How many steps had run when tokens flowed in last, and how often they have since.
        self._flowed = 0, 0

    def run(self) -> Tally:
        """Run until nothing is left."""
        binding = self._binding
        with binding.engine.begin() as conn:
            migrations.check(conn, binding.settings.schema)
            leases.take_back(conn, binding.db, binding.catalogue.known())
            limits.declare(conn, binding.db, binding.settings)
        binding.bursts = limits.Bursts({}, self._bursts)
        while (
            self._let_time_tell()
            or self._run_what_is_due()
            or self._let_in()
            or (self._scheduled and (self._let_the_next_be_due() or self._let_tokens_flow()))
        ):
            pass
        return self._tally

    def _let_time_tell(self) -> bool:
        """Take back lapsed leases and fire passed deadlines; say whether there were any.

        Where all this is rolled back, nobody loses his database session by it.
        """
        binding = self._binding
        with binding.engine.begin() as conn:
            reaped = leases.reap(conn, binding.db, binding.catalogue)
        with binding.engine.begin() as conn:
            if self._commits:
                leases.terminate(conn, reaped.backends)
            fired = leases.fire_deadlines(conn, binding.db)
        return bool(reaped.count or fired.count)

    def _bursts(self) -> dict[str, int]:
        binding = self._binding
        with binding.engine.begin() as conn:
            return limits.bursts(conn, binding.db, binding.settings)

    def _run_what_is_due(self) -> bool:
        """Run each queue until it is empty; say whether there was anything to do."""
        found = False
        for queue in self._queues():
            while one := self._claim(queue):
                found = True
                self._carry_out(one)
        return found

    def _queues(self) -> list[str]:
        query = select(self._rows.queue).where(*self._waiting).distinct()
        with self._binding.engine.begin() as conn:
            return sorted(conn.scalars(query))

    def _claim(self, queue: str) -> Claim | None:
        """Claim the most urgent row of *queue* that is due."""
        while True:
            with self._binding.engine.begin() as conn:
                claimed = claim(
                    conn,
                    self._binding.db,
                    queue,
                    1,
                    worker=self._worker,
                    ttl=self._binding.settings.lease_ttl,
                    catalogue=self._binding.catalogue,
                    binding=self._binding.name,
                )
            if claimed.claims or not claimed.again:
                return claimed.claims[0] if claimed.claims else None

    def _carry_out(self, one: Claim) -> None:
        """Run a step and commit what came of it."""
        if self._tally.steps >= self._limit:
            self._give_back(one)
            raise AssertionError(
                f"{self._limit} steps ran and there is more to do, such as {one.fsm}.{one.step} of"
                f" instance {one.id}; does it ever end? So far: {dict(self._tally)}"
            )
        step = one.step_spec
        if step is not None and step.is_async:
            finished: Finished = finish(self._executor.run_async(one))
        else:
            finished = self._executor.run(one)
        while (error := self._commit(finished)) is not None:
            finished = self._executor.recover(one, error)
        stale = finished.kind == "lost" or (finished.committed and finished.committed.stale)
        self._tally["stale" if stale else finished.kind] += 1
        if stale:
            with self._binding.engine.begin() as conn:
                fate = why_lost(conn, self._rows, one.id)
            self._tally.notes.append(f"{one.fsm} {one.id} lost its row at {one.step}: {fate}")
        elif finished.kind == "stop":
            why = finished.fields.get("last_error")
            self._tally.notes.append(f"{one.fsm} {one.id} failed at {one.step}: {why}")
        if finished.kind == "crashed" and finished.error is not None:
            raise finished.error

    def _commit(self, finished: Finished) -> Exception | None:
        """Commit an outcome; return the error if the database refuses it."""
        if finished.committed is not None or finished.kind == "lost":
            return None
        try:
            with self._binding.engine.begin() as conn:
                finished.committed = commit(
                    conn, self._binding.db, self._worker, [finished], wait=True
                )
        except DBAPIError as error:
            if not faults.is_refusal(error):
                raise
            return error
        return None

    def _give_back(self, one: Claim) -> None:
        with self._binding.engine.begin() as conn:
            leases.release(conn, self._binding.db, [one], self._worker, attempts=False)

    def _let_in(self) -> bool:
        """Let in who waits for a slot that is free, or for tokens that are there."""
        with self._binding.engine.begin() as conn:
            gates.stir(conn, self._binding.db)
            keys = gates.sweep(conn, self._binding.db)
            seen = gates.look(conn, self._binding.db, keys)
            _, queues = gates.ripen(conn, self._binding.db)
        return bool(seen.queues | queues)

    def _let_tokens_flow(self) -> bool:
        """Let time pass for buckets until the first head may start; some never may."""
        if self._flowed[0] != self._tally.steps:
            self._flowed = self._tally.steps, 0
        if self._flowed[1] == VAIN:
            return False
        self._flowed = self._flowed[0], self._flowed[1] + 1
        buckets = self._binding.Bucket.__table__
        rates = buckets.c.head_at.isnot(None), buckets.c.amount > 0
        with self._binding.engine.begin() as conn:
            first = conn.scalar(select(func.min(buckets.c.head_at) - NOW).where(*rates))
            if first is None:
                return False
            past = {name: buckets.c[name] - first for name in ("at", "head_at", "turn_until")}
            conn.execute(update(buckets).where(*rates).values(past))
        return True

    def _let_the_next_be_due(self) -> bool:
        """Move all that is scheduled forward, until the first of it is due; say if there is any.

        What has come due by itself meanwhile is scheduled no more: it is run.
        """
        with self._binding.engine.begin() as conn:
            moved = bring_forward(conn, self._rows.eligible_at, func.min, *self._waiting)
        return moved or self._run_what_is_due()
