"""The threads of one running worker, put together; each knows only what it is given here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from math import inf
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING

from gendurable.engine import leases, occurrences
from gendurable.engine.executor import Executor, Hooks
from gendurable.engine.group import PATIENCE, commit_after_parents, commit_group
from gendurable.runtime.claimer import Claimer
from gendurable.runtime.committer import Committer
from gendurable.runtime.cron import Cron
from gendurable.runtime.gates import Gates
from gendurable.runtime.hands import Hands
from gendurable.runtime.heart import Heart
from gendurable.runtime.link import Link
from gendurable.runtime.loop import Daemon, Outage, Pulse
from gendurable.runtime.notifier import Listener
from gendurable.runtime.overtime import Overtime
from gendurable.runtime.pruner import Pruner
from gendurable.runtime.reaper import Reaper
from gendurable.runtime.slots import Run
from gendurable.runtime.steps import Pool, Steps
from gendurable.runtime.tasks import Tasks

if TYPE_CHECKING:
    from gendurable.engine.nouns import Claim, Finished
    from gendurable.runtime.binding import Binding
    from gendurable.settings import WorkerSettings

log = logging.getLogger("gendurable")

#: The longest wait of a drain at a time, in seconds, so that a second signal is heeded.
PIECE = 0.25
#: How long the end of each thread is waited for, in seconds.
GOODBYE = 1.0


class Crew:
    """A worker between its start and its end."""

    def __init__(
        self,
        binding: Binding,
        settings: WorkerSettings,
        worker: str,
        exhausted: Callable[[], object],
    ) -> None:
        self._db = binding.db
        self._engine = binding.engine
        self._notifier = binding.notifier
        self._ttl = binding.settings.lease_ttl
        self.binding = binding.name
        self.worker = worker
        self.hands = Hands()
        self.outage = Outage(f"gendurable-{binding.name}")
        self._settled: SimpleQueue[None] = SimpleQueue()
        outage, hands = self.outage, self.hands

        link = Link(binding.engine)
        group = partial(commit_group, link.begin, binding.db, worker, ttl=self._ttl)
        behind = partial(commit_after_parents, link.begin, binding.db, worker, ttl=self._ttl)
        self._committer = Committer(self, hands, group, behind, outage, close=link.close)
        self.overtime = Overtime(self.exchange, exhausted, settings.slots, outage)
        executor = Executor(binding, worker, Hooks(hands.stopping, self._heartbeat, self._ttl))
        steps = Steps(executor, hands, self.overtime, self._committer.put)
        self._tasks = Tasks(outage.name, steps)
        self._pools = {
            queue: Pool(queue, slots, steps, self._tasks, self._hungry)
            for queue, slots in settings.queues.items()
        }
        self._gates = Gates(binding, outage)
        self._claimer = Claimer(
            binding, worker, hands, list(self._pools.values()), self.give_back, self._gates, outage
        )
        self._heart = Heart(binding, worker, hands, list(self._pools), outage)
        self._listener = Listener(self._notifier, outage) if binding.settings.listen else None
        self._daemons: list[Daemon] = [
            self._heart.daemon,
            self._committer.daemon,
            self.overtime.daemon,
            self._gates.daemon,
            self._claimer.daemon,
        ]
        if self._listener is not None:
            self._daemons.append(self._listener.daemon)
        if settings.reaper is not None:
            self._daemons.append(Reaper(binding, settings.reaper, self._gates, outage).daemon)
        if settings.gc is not None:
            self._daemons.append(Pruner(binding, settings.gc, outage).daemon)
        if settings.cron is not None and occurrences.available():
            self._daemons.append(Cron(binding, settings.cron, outage).daemon)

    def start(self) -> None:
        """Start all threads."""
        self._unsubscribe = self._notifier.subscribe(self._claimer.told)
        for daemon in self._daemons:
            daemon.start()

    def drain(self, timeout: float) -> None:
        """Claim nothing more, let running steps end and commit, and give back the others."""
        end = monotonic() + timeout
        self.hands.draining = True
        self._claimer.daemon.stop()
        self._claimer.daemon.join(timeout)
        unstarted = self._try_give_back(self._unstarted(), started=False)
        while self.hands.held and (left := end - monotonic()) > 0:
            with suppress(Empty):
                self._settled.get(timeout=min(left, PIECE))
            # Again: somebody may have held a row, and a commit may have brought another claim.
            unstarted = self._try_give_back(unstarted + self._unstarted(), started=False)
        running = [one for one in list(self.hands.held.values()) if one not in unstarted]
        self._try_give_back(running, started=True)

    def stop(self) -> None:
        """End all threads but those whose steps still run."""
        self._unsubscribe()
        if self._listener is not None:
            self._listener.stop()
        for daemon in self._daemons:
            daemon.stop()
        for daemon in self._daemons:
            daemon.join(GOODBYE)
        for pool in self._pools.values():
            pool.close()
        self._tasks.close()

    @property
    def pulses(self) -> tuple[Pulse, ...]:
        """How the loops are."""
        return tuple(daemon.pulse for daemon in self._daemons)

    def give_back(self, claims: list[Claim], *, started: bool = False) -> list[Claim]:
        """Give claims back: as they were, or, where the step had *started*, one attempt older.

        Return those that stay in our hands, because somebody holds the row.
        """
        if not claims:
            return []
        with self._engine.begin() as conn:
            answer = leases.release(conn, self._db, claims, self.worker, attempts=started)
        kept = [one for one in claims if (one.id, one.claim_seq) in answer.skipped]
        for claim in claims:
            if claim in kept:
                continue
            if started:
                self.hands.lose((claim.id, claim.claim_seq))
            else:
                self.hands.drop(claim)
        self.announce(answer.queues)
        self._gates.look(_keys(claims))
        return kept

    def exchange(self, claim: Claim) -> Claim | None:
        """Exchange a claim for a new one, and end the session in which its step may hold locks."""
        try:
            with self._engine.begin() as conn:
                conn.execute(PATIENCE)
                new = leases.exchange(conn, self._db, claim, self.worker, self._ttl)
        except BaseException:
            self.doubt()  # if it was committed after all, nobody holds the new claim
            raise
        if new is not None:
            self.hands.take([new])
        self.hands.lose((claim.id, claim.claim_seq))
        with suppress(Exception), self._engine.begin() as conn:
            leases.terminate(conn, [leases.session_name(self._db, claim.id, claim.claim_seq)])
        return new

    def announce(self, queues: set[str]) -> None:
        """Tell of queues that have new work."""
        self._notifier.announce(queues)

    def settled(self, done: Sequence[Finished]) -> None:
        """These outcomes are no longer in our hands: there is room."""
        self._claimer.freed()
        self._gates.look(_keys(one.claim for one in done))
        self._notifier.bells.ring(one.claim.id for one in done)
        if self.hands.draining:
            self._settled.put(None)

    def recover(self, finished: Finished, error: BaseException) -> None:
        """Let ``handle`` have the word on an outcome that the database refuses."""
        run = Run(finished.claim, monotonic())
        run.error = error
        self._pools[finished.claim.queue].slots.insert([run])

    def go_on(self, claims: list[Claim], *, here: bool) -> None:
        """Run the next steps of rows that their own commits have claimed, before what waits."""
        self.hands.take(claims)
        if self.hands.draining:
            claims = self._try_give_back(claims, started=False)
        now = monotonic()
        runs: dict[str, list[Run]] = {}
        for claim in claims:
            runs.setdefault(claim.queue, []).append(Run.of(claim, now))
        for queue, those in runs.items():
            self._pools[queue].slots.insert(those, here=here)

    def doubt(self) -> None:
        """An answer to COMMIT was lost: rows may bear our name that we do not hold."""
        self._claimer.doubt()

    def _heartbeat(self, claim: Claim) -> None:
        self._heart.ask(claim, wait=not self._tasks.here)

    def _hungry(self) -> None:
        self._claimer.daemon.wake()

    def _unstarted(self) -> list[Claim]:
        return [run.claim for pool in self._pools.values() for run in pool.slots.take_back(inf)]

    def _try_give_back(self, claims: list[Claim], *, started: bool) -> list[Claim]:
        try:
            return self.give_back(claims, started=started)
        except Exception as error:
            log.warning("%s: %d claims are left to lapse: %s", self.worker, len(claims), error)
            return claims


def _keys(claims: Iterable[Claim]) -> set[str]:
    """The concurrency keys that these claims held slots of."""
    return {one.concurrency_key for one in claims if one.concurrency_key is not None}
