"""Parents and children: rounds, quorum, timeouts, late joiners, retries, and a cascade."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

import gendurable as gd
from gendurable.errors import DuplicateInstance, InvalidInput, NoTarget
from gendurable.testing import drain, elapse, fire_timeouts


class Child(gd.FSM, name="engine.Child"):
    """Waits for a signal that says how it ends, or knows it from the start."""

    how: str = ""

    @gd.step(initial=True)
    def start(self, ctx: gd.Context) -> gd.Outcome:
        return self.end(ctx) if self.how else gd.Await("end", self.end)

    @gd.step
    def end(self, ctx: gd.Context) -> gd.Outcome:
        how = self.how or ctx.awaited.first("end").payload
        return gd.Done(how) if how == "done" else gd.Stop(how)


class Parent(gd.FSM, name="engine.Parent"):
    """Waits for children, then tells what became of them; may go on to a second round."""

    children: int = 3
    quorum: int | None = None
    timeout: float | None = None
    rounds: int = 1

    @gd.step(initial=True)
    def start(self, ctx: gd.Context) -> gd.Outcome:
        self.rounds -= 1
        return gd.ScheduleChildren(
            [Child() for _ in range(self.children)],
            self.end,
            quorum=self.quorum,
            timeout=self.timeout,
        )

    @gd.step
    def end(self, ctx: gd.Context) -> gd.Outcome:
        if self.rounds > 0:
            return gd.Next(self.start)
        return gd.Done([f"{child.status}{child.round}" for child in ctx.children])


@pytest.fixture
def family(durable):
    """Insert a parent with these fields and park it on its children; return all their ids."""

    def family(**fields):
        parent = durable.insert(Parent(**fields))
        drain(durable)
        return parent.id, kin(durable, parent)

    return family


def kin(durable, parent):
    """Return the ids of all children of *parent*."""
    table = durable.Instance.__table__.c
    with durable.engine.begin() as conn:
        query = select(table.id).where(table.parent_id == int(parent)).order_by(table.id)
        return list(conn.scalars(query))


def end(durable, child, how="done"):
    """Let a child end, and everything that follows happen."""
    durable.signal(child, "end", how)
    drain(durable)


class TestBarrier:
    def test_all(self, durable, family, row):
        """The parent goes on when the last child has ended, however each did."""
        parent, (a, b, c) = family()
        end(durable, a)
        end(durable, b, "no")
        assert row(parent).status == "awaiting_children"
        durable.cancel(c, "no")
        drain(durable)

        assert row(parent).result == ["done1", "failed1", "cancelled1"]

    def test_none_inserted(self, durable, family, row):
        """With no child inserted the parent goes straight on."""
        parent, children = family(children=0, quorum=2, timeout=60)

        assert children == []
        assert row(parent).result == []

    def test_quorum(self, durable, family, row):
        """A quorum releases as soon as that many are done; the others go on and are listed."""
        parent, (a, b, c) = family(quorum=2)
        end(durable, a, "no")
        end(durable, b)
        assert row(parent).status == "awaiting_children"
        end(durable, c)
        assert row(parent).result == ["failed1", "done1", "done1"]

    def test_quorum_before_the_last(self, durable, family, row):
        """It does not wait for those that are not needed."""
        parent, (a, b, _c) = family(quorum=1)
        end(durable, b)

        assert row(parent).result == ["awaiting_signal1", "done1", "awaiting_signal1"]
        end(durable, a)  # which counts for nothing now
        assert row(parent).status == "done"

    def test_quorum_out_of_reach(self, durable, family, row):
        """It is released, too, when so many can no longer be done."""
        parent, (a, b, _c) = family(quorum=2)
        end(durable, a, "no")
        end(durable, b, "no")

        assert row(parent).status == "done"

    def test_quorum_above_the_number(self, durable, family, row):
        """A quorum that no number of children can reach waits for nobody."""
        parent, _ = family(quorum=4)

        assert row(parent).status == "done"

    def test_timeout(self, durable, family, row):
        """The deadline releases; children that still run go on."""
        parent, (a, *_) = family(timeout=60)
        end(durable, a)
        elapse(durable, 61)
        fire_timeouts(durable, early=False)
        drain(durable)

        assert row(parent).result == ["done1", "awaiting_signal1", "awaiting_signal1"]

    def test_late_children_count_at_their_own_round_only(self, durable, family, row):
        """A child of the first round that ends during the second one counts for nothing."""
        parent, (a, b) = family(children=2, quorum=1, rounds=2)
        end(durable, a)
        _c, d = kin(durable, parent)[2:]
        assert row(parent).round == 2
        end(durable, b)
        assert (row(parent).status, row(parent).children_pending) == ("awaiting_children", 2)
        end(durable, d)

        assert row(parent).result == ["done1", "done1", "awaiting_signal2", "done2"]

    def test_duplicates_do_not_count(self, durable, script, row):
        """Children whose key is taken, in the table or among themselves, are not waited for."""
        durable.insert(Child(), correlation_key="a")

        class Keyed(gd.FSM, name="engine.Keyed"):
            @gd.step(initial=True)
            def start(self, ctx: gd.Context) -> gd.Outcome:
                keys = ["a", "b", "b", "c"]
                return gd.ScheduleChildren(
                    [gd.Spawn(Child(how="done"), correlation_key=key) for key in keys], self.end
                )

            @gd.step
            def end(self, ctx: gd.Context) -> gd.Outcome:
                return gd.Done(len(ctx.children))

        id = durable.insert(Keyed())
        drain(durable)
        assert row(id).result == 2


class TestFromOutside:
    def test_on_a_parked_parent(self, durable, family, row):
        """They join the round that it waits for."""
        parent, (a,) = family(children=1)
        assert durable.schedule_children(parent, [Child(), Child()]) == 2
        assert row(parent).children_pending == 3
        end(durable, a)
        for child in kin(durable, parent)[1:]:
            assert row(parent).status == "awaiting_children"
            end(durable, child)
        assert row(parent).result == ["done1"] * 3

    def test_on_another_live_parent(self, durable, row):
        """On one that is not parked on children they are listed and not counted."""
        parent = durable.insert(Parent(children=1))
        durable.schedule_children(parent, [Child(how="done")])
        drain(durable)
        _, child = kin(durable, parent)
        assert row(parent).children_pending == 1
        end(durable, child)

        assert row(parent).result == ["done0", "done1"]

    def test_on_an_ended_parent(self, durable, family, engine):
        """On one that has ended there is nobody to have them."""
        parent, _ = family()
        durable.cancel(parent, "no")
        with Session(engine) as session, pytest.raises(NoTarget):
            durable.schedule_children(parent, [Child()], session=session)
        assert len(kin(durable, parent)) == 3

    def test_duplicates(self, durable, family, row):
        """Those whose key is taken do not raise the barrier."""
        parent, _ = family(children=1)
        spawn = gd.Spawn(Child(), correlation_key="k")
        assert durable.schedule_children(parent, [spawn, spawn]) == 1
        assert durable.schedule_children(parent, [spawn]) == 0
        assert row(parent).children_pending == 2


class TestRetry:
    def test_a_child_counts_again(self, durable, family, row):
        """A child put back is waited for again, if its round still waits."""
        parent, (a, b, c) = family()
        end(durable, a, "no")
        durable.retry(a)
        assert row(parent).children_pending == 3
        for child in (b, c):
            end(durable, child)
        assert row(parent).status == "done"

    def test_a_child_of_an_old_round(self, durable, family, row):
        """If its parent has gone on, nobody counts it."""
        parent, (a, b) = family(children=2, quorum=1, rounds=2)
        durable.cancel(b, "no")
        end(durable, a)
        durable.retry(b)

        assert row(parent).children_pending == 2

    @pytest.mark.parametrize(
        ("quorum", "endings", "goes_on"),
        [
            (None, ["done"], False),
            (None, ["done", "no", "done"], True),
            (2, ["done"], False),
            (2, ["done", "done"], True),
            (2, ["no", "no"], True),
        ],
    )
    def test_a_cancelled_parent(self, durable, family, row, quorum, endings, goes_on):
        """A parent cancelled while it waited recounts its barrier when it is put back."""
        parent, children = family(quorum=quorum)
        durable.cancel(parent, "no")
        for child, how in zip(children, endings, strict=False):
            end(durable, child, how)
        durable.retry(parent)

        assert row(parent).status == ("runnable" if goes_on else "awaiting_children")
        drain(durable)
        for child in children[len(endings) :]:
            end(durable, child)
        assert row(parent).status == "done"

    @pytest.mark.parametrize("passed", [False, True])
    def test_a_deadline_lives_on(self, durable, family, row, passed):
        """A deadline that has passed meanwhile fires, one that has not stays armed."""
        parent, _ = family(timeout=60)
        durable.cancel(parent, "no")
        elapse(durable, 61 if passed else 30)
        durable.retry(parent)
        fire_timeouts(durable, early=False)

        assert row(parent).status == ("runnable" if passed else "awaiting_children")
        assert row(parent).timed_out is passed

    def test_a_parked_one_with_mail(self, durable, row):
        """One that was cancelled while it awaited a signal looks into its inbox again."""
        quiet, noisy = durable.insert(Child()), durable.insert(Child())
        drain(durable)
        durable.signal(noisy, "end", "done")
        for id in (quiet, noisy):
            durable.cancel(id, "no")
            durable.retry(id)

        assert row(quiet).status == "awaiting_signal"
        assert row(noisy).status == "runnable"
        drain(durable)
        assert row(noisy).status == "done"

    def test_refused(self, durable, row):
        """Only failed and cancelled ones can be put back, and only while their key is free."""
        live = durable.insert(Child())
        done = durable.insert(Child(how="done"))
        drain(durable)
        for id in (live, done):
            with pytest.raises(InvalidInput):
                durable.retry(id)
        keyed = durable.insert(Child(), correlation_key="k")
        durable.cancel(keyed, "no")
        holder = durable.insert(Child(), correlation_key="k")
        with pytest.raises(DuplicateInstance) as caught:
            durable.retry(keyed)
        assert caught.value.id == holder.id

    def test_refused_in_the_callers_transaction(self, durable, engine):
        """A key that was taken since does not harm the caller's transaction."""
        keyed = durable.insert(Child(), correlation_key="k")
        durable.cancel(keyed, "no")
        durable.insert(Child(), correlation_key="k")
        with Session(engine) as session:
            with pytest.raises(DuplicateInstance):
                durable.retry(keyed, session=session)
            other = durable.insert(Child(), session=session)
            session.commit()
        assert durable.instance(other)


class TestCascade:
    def test_through_ended_ones(self, durable, family, row):
        """A cascade ends all descendants, those below somebody who has ended, too."""
        parent, (a, b, c) = family(quorum=1)
        durable.schedule_children(a, [Child(), Child()])
        grandchildren = kin(durable, a)
        end(durable, a)
        assert row(parent).status == "done"
        assert durable.cancel(parent, "no", cascade=True)

        statuses = [row(id).status for id in (parent, a, b, c, *grandchildren)]
        assert statuses == ["done", "done", *["cancelled"] * 4]

    def test_without_it(self, durable, family, row):
        """Without it the children go on."""
        parent, children = family()
        durable.cancel(parent, "no")

        assert {row(id).status for id in children} == {"awaiting_signal"}
