"""Group commit without a timer: the first outcome at once, then whatever came meanwhile.

A step thread hands its outcome over and takes the next claim. The row stays in the worker's hands
until its outcome is committed, so that an outage bounds what is in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count
from math import inf
from time import monotonic
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from gendurable import events
from gendurable.engine.nouns import Claim, Committed, Finished
from gendurable.runtime.hands import Hands
from gendurable.runtime.loop import Daemon, Outage

#: How many outcomes are committed together at most.
BATCH = 400
#: The first wait, in seconds, for a row that somebody holds; it doubles up to the longest.
FIRST, LONGEST = 0.001, 1.0
#: The same where only the parent is held: each try waits for it, and nobody else commits then.
FIRST_PARENT = 0.2

Commit = Callable[[Sequence[Finished]], Committed]


class Owner(Protocol):
    """What the committer needs of its worker."""

    binding: str

    def announce(self, queues: set[str]) -> None:
        """Tell of queues that have new work."""

    def settled(self, done: Sequence[Finished]) -> None:
        """These outcomes are no longer in our hands: there is room."""

    def recover(self, finished: Finished, error: BaseException) -> None:
        """The database refuses this outcome: ``handle`` has the word."""

    def go_on(self, claims: list[Claim], *, here: bool) -> None:
        """These commits have claimed their rows anew: their next steps are to run at once.

        *here* says that this is the thread of the slot whose step it was.
        """

    def doubt(self) -> None:
        """An answer to COMMIT was lost: rows may bear our name that we do not hold."""


class _Waiting:
    """Outcomes that wait for a row, each for longer after each vain try."""

    def __init__(self, first: float) -> None:
        self._first = first
        self._heap: list[tuple[float, int, Finished]] = []
        self._waits: dict[int, float] = {}
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def due(self) -> float:
        """When the next one is to be tried."""
        return self._heap[0][0] if self._heap else inf

    def add(self, finished: Finished, wait: float | None = None) -> None:
        """Let *finished* wait: *wait* seconds, or twice as long as the last time."""
        if wait is None:
            wait = self._waits.get(id(finished), self._first)
            self._waits[id(finished)] = min(2 * wait, LONGEST)
        heappush(self._heap, (monotonic() + wait, next(self._numbers), finished))

    def ripe(self, limit: int) -> list[Finished]:
        """Take out those that are to be tried now."""
        now = monotonic()
        ripe: list[Finished] = []
        while self._heap and self._heap[0][0] <= now and len(ripe) < limit:
            ripe.append(heappop(self._heap)[2])
        return ripe

    def forget(self, finished: Finished) -> None:
        """Forget how long one that is settled has waited."""
        if self._waits:
            self._waits.pop(id(finished), None)


class Committer:
    """Commits the outcomes of one worker, on one thread."""

    def __init__(
        self,
        owner: Owner,
        hands: Hands,
        commit: Commit,
        commit_after_parents: Commit,
        outage: Outage,
        close: Callable[[], object] | None = None,
    ) -> None:
        self._owner = owner
        self._hands = hands
        self._commit = commit
        self._commit_after_parents = commit_after_parents
        self._inbox: deque[Finished] = deque()
        self._rows = _Waiting(FIRST)
        self._parents = _Waiting(FIRST_PARENT)
        #: After a lost answer to COMMIT, what looks stale may be what was committed.
        self._doubtful: set[int] = set()
        self.daemon = Daemon(f"{outage.name}-commit", self.tick, outage=outage, close=close)

    def put(self, finished: Finished) -> None:
        """Take over an outcome; called by step threads.

        One that was committed in the session of its step is settled at once, and by that thread: to
        wake another one, which then wakes one for the next step, would cost more than the step.
        """
        if finished.committed is not None:
            self._settle(finished.committed, here=True)
            return
        self._inbox.append(finished)
        self.daemon.wake()

    def tick(self) -> float | None:
        """Commit what is there, then what has waited long enough for its row or its parent."""
        fresh = self._fresh()
        self._run(fresh + self._rows.ripe(BATCH - len(fresh)), self._commit)
        self._run(self._parents.ripe(BATCH), self._commit_after_parents)
        if self._inbox:
            return 0.0
        due = min(self._rows.due, self._parents.due)
        return None if due == inf else due - monotonic()

    def _fresh(self) -> list[Finished]:
        """Take new outcomes, up to a batch; what needs no commit any more is settled here."""
        fresh: list[Finished] = []
        settled = Committed()
        while self._inbox and len(fresh) < BATCH:
            one = self._inbox.popleft()
            if one.kind == "lost":
                settled.stale.append(one)
                self._owner.doubt()  # if it was committed after all, it may have run ahead
            else:
                fresh.append(one)
        self._settle(settled)
        return fresh

    def _run(self, batch: list[Finished], commit: Commit) -> None:
        if not batch:
            return
        began = monotonic()
        try:
            answer = self._isolate(batch, commit)
        except BaseException:
            self._inbox.extendleft(reversed(batch))
            self._doubtful.update(map(id, batch))
            self._owner.doubt()
            raise
        for one in answer.skipped:
            self._rows.add(one)
        for one in answer.parent_skipped:
            self._parents.add(one, 0.0 if commit is self._commit else None)
        self._settle(answer)
        events.emit(
            events.commit_stop,
            self._owner.binding,
            count=len(answer.done),
            duration=monotonic() - began,
        )

    def _isolate(self, batch: list[Finished], commit: Commit) -> Committed:
        """Commit *batch*; what no commit can be made of harms only itself.

        The engine isolates what the database refuses; this is for what fails before that.
        """
        try:
            return commit(batch)
        except SQLAlchemyError:
            raise
        except Exception as error:
            self._owner.doubt()  # what was its own transaction is committed
            if len(batch) == 1:
                return Committed(refused=[(batch[0], error)])
        answer = Committed()
        for one in batch:
            answer.add(self._isolate([one], commit))
        return answer

    def _settle(self, answer: Committed, *, here: bool = False) -> None:
        """Let go of what was committed or lost, and tell whom it concerns."""
        settled = answer.done + answer.stale
        news = answer.woken
        if answer.ahead:  # before the old claims are let go of: see `doubt`
            self._owner.go_on(answer.ahead, here=here)
        for one in settled:
            self._hands.drop(one.claim)
            self._rows.forget(one)
            self._parents.forget(one)
        if self._doubtful:
            news |= self._dispel(answer)
        if news:
            self._owner.announce(news)
        if settled:
            self._owner.settled(settled)
        for finished, error in answer.refused:
            self._owner.recover(finished, error)
        self._tell(answer)

    def _dispel(self, answer: Committed) -> set[str]:
        """Judge what was in doubt: where it looks stale, it may be that it was committed."""
        before = len(self._doubtful)
        settled = [*answer.done, *answer.stale, *(one for one, _ in answer.refused)]
        unsure = {one.claim.queue for one in answer.stale if id(one) in self._doubtful}
        answer.stale = [one for one in answer.stale if id(one) not in self._doubtful]
        self._doubtful.difference_update(map(id, settled))
        if before and not self._doubtful:
            self._owner.doubt()
        return unsure

    def _tell(self, answer: Committed) -> None:
        for event, outcomes in (
            (events.outcome_committed, answer.done),
            (events.outcome_stale, answer.stale),
        ):
            if event.receivers:
                for one in outcomes:
                    claim = one.claim
                    events.emit(
                        event,
                        self._owner.binding,
                        id=claim.id,
                        fsm=claim.fsm,
                        step=claim.step,
                        kind=one.kind,
                    )
