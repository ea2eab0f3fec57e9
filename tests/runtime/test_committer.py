"""Group commit: at once when idle, together under load, and nobody waits for another's row."""

from __future__ import annotations

from queue import SimpleQueue
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import OperationalError

from gendurable import events
from gendurable.engine.nouns import Committed, Finished
from gendurable.runtime import committer as module
from gendurable.runtime.committer import BATCH, Committer
from gendurable.runtime.hands import Hands
from gendurable.runtime.loop import Outage


class Owner:
    """A worker that writes down what it is told."""

    binding = "default"

    def __init__(self) -> None:
        self.news: set[str] = set()
        self.done: list[int] = []
        self.refused: list[tuple[int, BaseException]] = []
        self.ahead: list[tuple[object, bool]] = []
        self.doubts = 0

    def announce(self, queues):
        self.news |= queues

    def settled(self, done):
        self.done += ids(done)

    def recover(self, finished, error):
        self.refused.append((finished.claim.id, error))

    def go_on(self, claims, *, here):
        self.ahead += [(claim, here) for claim in claims]

    def doubt(self):
        self.doubts += 1


class Table:
    """A database that commits everything but what it was told to hold, refuse or lose."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.behind: list[list[int]] = []
        self.held: set[int] = set()
        self.parents: set[int] = set()
        self.stale: set[int] = set()
        self.fail: list[BaseException] = []

    def commit(self, batch):
        self.batches.append(ids(batch))
        return self._answer(batch)

    def commit_after_parents(self, batch):
        self.behind.append(ids(batch))
        return self._answer(batch)

    def _answer(self, batch):
        if self.fail:
            raise self.fail.pop()
        answer = Committed()
        for one in batch:
            id = one.claim.id
            if id in self.held:
                answer.skipped.append(one)
            elif id in self.parents:
                answer.parent_skipped.append(one)
            elif id in self.stale:
                answer.stale.append(one)
            else:
                answer.done.append(one)
                answer.ids.append(id)
        return answer


def ids(outcomes):
    return [one.claim.id for one in outcomes]


def finished(id: int, kind: str = "done") -> Finished:
    return Finished(SimpleNamespace(id=id, claim_seq=1, queue="q", fsm="F", step="s"), kind)


@pytest.fixture
def owner():
    return Owner()


@pytest.fixture
def table():
    return Table()


@pytest.fixture
def hands():
    return Hands()


@pytest.fixture
def committer(owner, table, hands):
    committer = Committer(owner, hands, table.commit, table.commit_after_parents, Outage("test"))

    def put(*outcomes: Finished) -> None:
        hands.take([one.claim for one in outcomes])
        for one in outcomes:
            committer.put(one)

    committer.take = put
    return committer


class TestBatches:
    def test_what_is_there_is_committed_together(self, committer, table, owner, hands):
        """One turn commits what has come since the last one, in one batch."""
        committer.take(*map(finished, range(5)))

        assert committer.tick() is None
        assert table.batches == [[0, 1, 2, 3, 4]]
        assert owner.done == [0, 1, 2, 3, 4]
        assert not hands.held

    def test_a_batch_has_a_bound(self, committer, table):
        """A flood is committed in batches, and the next turn comes at once."""
        committer.take(*map(finished, range(BATCH + 1)))

        assert committer.tick() == 0.0
        assert committer.tick() is None
        assert [len(batch) for batch in table.batches] == [BATCH, 1]

    def test_the_first_outcome_does_not_wait(self, owner, hands):
        """An idle committer commits one outcome at once; what comes meanwhile goes together."""
        batches: SimpleQueue = SimpleQueue()
        go: SimpleQueue = SimpleQueue()

        def commit(batch):
            batches.put(ids(batch))
            go.get(timeout=5)
            return Committed(done=list(batch))

        committer = Committer(owner, hands, commit, commit, Outage("test"))
        committer.daemon.start()
        committer.put(finished(1))
        assert batches.get(timeout=5) == [1]
        committer.put(finished(2))
        committer.put(finished(3))
        go.put(None)

        assert batches.get(timeout=5) == [2, 3]
        go.put(None)
        committer.daemon.stop()
        committer.daemon.join(5)

    def test_what_its_session_committed_needs_no_commit(self, committer, table, owner):
        """An outcome that the session of its step has committed is only told, and at once."""
        one, next = finished(1), object()
        one.committed = Committed(done=[one], woken={"other"}, ahead=[next])

        committer.take(one)

        assert table.batches == []
        assert owner.ahead == [(next, True)]
        assert owner.done == [1]
        assert owner.news == {"other"}


class TestHeldRows:
    def test_a_held_row_holds_up_nobody(self, committer, table, owner, hands):
        """An outcome whose row is held stays in hand; its neighbour is committed."""
        table.held = {1}
        committer.take(finished(1), finished(2))

        assert committer.tick() == pytest.approx(module.FIRST, abs=module.FIRST)
        assert owner.done == [2]
        assert [id for id, _ in hands.held] == [1]

    def test_it_is_tried_again_ever_more_slowly(self, committer, table, monkeypatch):
        """The wait for a held row doubles from a millisecond to a second."""
        clock = 100.0
        monkeypatch.setattr(module, "monotonic", lambda: clock)
        table.held = {1}
        committer.take(finished(1))
        waits = []
        for _ in range(14):
            wait = committer.tick()
            waits.append(wait)
            clock += wait

        assert waits[:4] == pytest.approx([0.001, 0.002, 0.004, 0.008])
        assert waits[-1] == pytest.approx(1.0)

        table.held = set()
        assert committer.tick() is None

    def test_a_held_parent_is_waited_for_at_the_next_try(
        self, committer, table, owner, monkeypatch
    ):
        """An outcome kept back by its parent alone goes to the commit that waits for parents."""
        clock = 100.0
        monkeypatch.setattr(module, "monotonic", lambda: clock)
        table.parents = {1}
        committer.take(finished(1), finished(2))

        wait = committer.tick()
        assert (table.batches, table.behind) == ([[1, 2]], [[1]])
        assert wait == pytest.approx(module.FIRST_PARENT)

        table.parents = set()
        clock += wait
        committer.tick()
        assert owner.done == [2, 1]


class TestTrouble:
    def test_an_outage_loses_no_outcome(self, committer, table, owner, hands):
        """When the database goes away the batch stays in hand, and is committed when it is back."""
        table.fail = [OperationalError("x", {}, Exception("gone"))]
        committer.take(finished(1), finished(2))

        committer.daemon.turn()
        assert owner.done == []
        assert len(hands.held) == 2

        committer.daemon.turn()
        assert owner.done == [1, 2]

    def test_after_a_lost_answer_nothing_is_called_stale(self, committer, table, owner):
        """Whatever looks stale after a lost answer to COMMIT may be what was committed."""
        stale = []
        table.fail = [OperationalError("x", {}, Exception("gone"))]
        committer.take(finished(1))
        committer.daemon.turn()
        table.stale = {1}

        with events.outcome_stale.connected_to(lambda sender, **fields: stale.append(fields)):
            committer.daemon.turn()

        assert stale == []
        assert owner.done == [1]
        assert owner.news == {"q"}  # whoever may have been woken is found by looking
        assert owner.doubts == 2  # when it began and when it was over

    def test_a_stale_outcome_is_told_and_let_go(self, committer, table, hands):
        """An owner that lost its row commits nothing, and says so."""
        stale = []
        table.stale = {1}
        committer.take(finished(1))

        with events.outcome_stale.connected_to(lambda sender, **fields: stale.append(fields)):
            committer.tick()

        assert [fields["id"] for fields in stale] == [1]
        assert not hands.held

    def test_what_the_database_refuses_goes_back_to_its_step(self, committer, owner, hands):
        """A refused outcome stays in hand and is an error of its own step."""
        error = ValueError("no")
        one = finished(1)
        committer._commit = lambda batch: Committed(refused=[(one, error)])
        committer.take(one)

        committer.tick()

        assert owner.refused == [(1, error)]
        assert len(hands.held) == 1

    def test_a_defect_harms_only_its_own_outcome(self, committer, owner, hands):
        """What no commit can be made of is found one by one; the others are committed."""

        def commit(batch):
            if 2 in ids(batch):
                raise TypeError("no commit can be made of this")
            return Committed(done=list(batch))

        committer._commit = commit
        committer.take(*map(finished, range(5)))

        committer.tick()

        assert owner.done == [0, 1, 3, 4]
        assert [id for id, _ in owner.refused] == [2]
        assert owner.doubts  # what was its own transaction may be committed
