"""Why is this not running? One test for each answer, each brought about as it comes about."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text

import gendurable as gd
from gendurable import Reason
from gendurable.engine import explain, leases
from gendurable.testing import drain
from tests.engine.script import Scripted


@pytest.fixture
def change(durable):
    """Change rows behind the engine's back."""

    def change(sql: str, **parameters) -> None:
        with durable.engine.begin() as conn:
            conn.execute(text(sql), parameters)

    return change


@pytest.fixture
def worker(durable):
    """A worker that beats, knows what this process knows, and takes nothing."""

    def worker(name="w3", queues=("default",), known=None):
        known = durable.catalogue.known() if known is None else known
        with durable.engine.begin() as conn:
            leases.beat(conn, durable.db, name, list(queues), json.dumps(known))

    return worker


class TestParked:
    def test_on_signals(self, durable, script):
        """It is told what it waits for, and until when."""
        script["start"] = lambda obj, ctx: gd.Await({"go", "stop"}, then="then", timeout=60)
        id = durable.insert(Scripted())
        drain(durable, with_scheduled=False)

        why = durable.explain(id)

        assert why.reason == Reason.AWAITING_SIGNAL == "awaiting_signal"
        assert set(why.details["awaits"]) == {"go", "stop"}
        assert why.details["deadline"] is not None
        assert "parked on" in str(why)
        assert "until 20" in str(why)

    def test_on_children(self, durable, script):
        """It is told how many of how many are still missing."""
        answers = [
            gd.ScheduleChildren([Scripted(count=1), Scripted(count=2), Scripted(count=1)], "then"),
            gd.Done(),
            gd.Await("go", then="then"),
        ]
        script["start"] = lambda obj, ctx: answers[obj.count]
        id = durable.insert(Scripted())
        drain(durable)

        why = durable.explain(id)

        assert why.reason == Reason.AWAITING_CHILDREN
        assert (why.details["pending"], why.details["children"]) == (1, 3)
        assert "1 of 3 children" in why.text


class TestHeld:
    def test_paused(self, durable):
        """Who paused it, and why."""
        id = durable.insert(Scripted())
        durable.pause(id, by="ada", reason="an audit")

        why = durable.explain(id)

        assert why.reason == Reason.PAUSED
        assert "by ada: an audit" in why.text
        assert (why.details["by"], why.details["reason"]) == ("ada", "an audit")

    def test_its_queue(self, durable):
        """Who paused its queue, and why; not after it was resumed."""
        id = durable.insert(Scripted())
        durable.pause(queue="default", by="ada", reason="an audit")
        why = durable.explain(id)
        durable.resume(queue="default")

        assert why.reason == Reason.QUEUE_PAUSED
        assert "queue 'default' is paused since" in why.text
        assert "by ada: an audit" in why.text
        assert durable.explain(id).reason != Reason.QUEUE_PAUSED

    def test_parked_and_paused(self, durable, script):
        """One that waits is told to be paused besides."""
        script["start"] = lambda obj, ctx: gd.Await("go", then="then")
        id = durable.insert(Scripted())
        drain(durable)
        durable.pause(id)

        why = durable.explain(id)
        assert why.reason == Reason.AWAITING_SIGNAL
        assert "paused besides" in why.text


class TestAside:
    def test_unknown(self, durable, worker):
        """Nobody knows it; or somebody does, and takes it back."""
        id = durable.insert(Scripted())
        other = gd.bind(durable.engine, fsms=[Other])
        drain(other)
        worker("w1", known=other.catalogue.known())
        before = durable.explain(id)
        worker("w2")
        after = durable.explain(id)

        assert before.reason == after.reason == Reason.UNKNOWN_STEP
        assert "engine.Scripted version 1, step 'start'" in before.text
        assert after.details["workers"] == ("w2",)
        assert "w2 takes it back" in after.text

    def test_invalid(self, durable, change):
        """What is wrong with its state, as far as this process can tell."""
        id = durable.insert(Scripted())
        change('UPDATE gendurable.instances SET state = \'{"count": "many"}\'')
        drain(durable)
        here = durable.explain(id)
        change("UPDATE gendurable.instances SET state = '{\"count\": 1}'")
        mended = durable.explain(id)
        elsewhere = gd.bind(durable.engine, fsms=[Other]).explain(id)

        assert {here.reason, mended.reason, elsewhere.reason} == {Reason.INVALID_STATE}
        assert "count" in here.details["error"]
        assert "loads it" in mended.text


class TestWaiting:
    def test_not_due(self, durable):
        """When it is due."""
        id = durable.insert(Scripted(), delay=90)

        why = durable.explain(id)
        assert why.reason == Reason.NOT_DUE
        assert "in 90 s" in why.text or "in 89 s" in why.text

    @pytest.mark.parametrize("blocked", ["'key'", "NULL"])
    def test_for_a_key(self, durable, script, change, blocked):
        """Who holds the key, on which worker and until when."""
        one, two = int(durable.insert(Scripted())), int(durable.insert(Scripted()))
        change("UPDATE gendurable.instances SET concurrency_key = 'stripe:7'")
        change(
            "UPDATE gendurable.instances SET status = 'executing', locked_by = 'w3', slot = 0,"
            " lease_expires_at = statement_timestamp() + interval '30 s' WHERE id = :id",
            id=one,
        )
        change(f"UPDATE gendurable.instances SET blocked = {blocked} WHERE id = :id", id=two)

        why = durable.explain(two)
        assert why.reason == Reason.KEY_HELD
        assert f"held by instance {one} on worker w3" in why.text
        assert why.details["holders"] == (one,)

    def test_for_a_wide_key(self, durable, change):
        """All holders are counted, and a hundred of them are named."""
        durable.set_limit("wide", gd.ConcurrencyLimit(120))
        durable.insert_all([gd.Spawn(Scripted(), concurrency_key="wide")] * 121)
        change(
            "UPDATE gendurable.instances SET status = 'executing', locked_by = 'w3', slot = id,"
            " lease_expires_at = statement_timestamp() + interval '30 s' WHERE id < 121"
        )

        why = durable.explain(121)
        assert (why.reason, len(why.details["holders"])) == (Reason.KEY_HELD, 100)
        assert "by 119 more" in why.text
        durable.cancel(1, "one less")
        assert durable.explain(121).reason == Reason.NO_WORKER

    @pytest.mark.parametrize("deed", ["pause", "lock", "savepoint", "prepare"])
    def test_for_somebodys_open_transaction(self, durable, worker, conn, monkeypatch, deed):
        """A forgotten transaction that holds the row is named; a younger one may be a claim."""
        worker()
        id = int(durable.insert(Scripted()))
        if deed == "prepare" and prepares(conn) == 0:
            pytest.skip("this server allows no prepared transactions")
        transaction = conn.begin_twophase("forgotten") if deed == "prepare" else conn.begin()
        if deed == "savepoint":
            conn.begin_nested()
        if deed == "lock":
            conn.execute(text("SELECT 1 FROM gendurable.instances FOR UPDATE"))
        else:
            durable.pause(id, session=conn)
        if deed == "prepare":
            transaction.prepare()

        monkeypatch.setattr(explain, "MOMENT", 3600.0)
        assert durable.explain(id).reason == Reason.DUE
        monkeypatch.setattr(explain, "MOMENT", 0.0)
        why = durable.explain(id)
        assert why.reason == Reason.LOCKED
        assert ("'forgotten'" if deed == "prepare" else "idle in transaction") in why.text
        if deed != "prepare":  # whoever asks does not stand in his own way
            assert durable.explain(id, session=conn).reason != Reason.LOCKED
        transaction.rollback()
        assert durable.explain(id).reason == Reason.DUE

    def test_for_its_turn_at_a_free_key(self, durable, change):
        """Nobody holds the key any more: the next sweep lets it in."""
        id = durable.insert(Scripted())
        change("UPDATE gendurable.instances SET concurrency_key = 'k', blocked = 'key'")

        why = durable.explain(id)
        assert (why.reason, why.details["holders"]) == (Reason.KEY_HELD, ())

    def test_for_tokens(self, durable, change):
        """Which bucket is empty; or that nobody says how large it is."""
        id = durable.insert(Scripted())
        change("UPDATE gendurable.instances SET rate_limit = 'mail:7', blocked = 'rate'")
        known = gd.bind(durable.engine, rate_limits={"mail": gd.RateLimit(1, per=60)})

        assert known.explain(id).reason == Reason.NO_TOKENS
        assert "tokens of 'mail:7'" in known.explain(id).text
        assert durable.explain(id).reason == Reason.UNKNOWN_LIMIT

    def test_for_tokens_of_a_limit_that_was_set(self, durable):
        """The database's limits count, and the bucket says when it has enough."""
        durable.set_limit("mail", gd.RateLimit(1, per=3600))
        for _ in range(2):
            durable.insert(Scripted(), rate_limit="mail")
        drain(durable, with_scheduled=False)
        with durable.engine.begin() as conn:
            waiting = conn.scalar(select(gd.Instance.id).where(gd.Instance.blocked == "rate"))
        why = durable.explain(waiting)

        assert why.reason == Reason.NO_TOKENS
        assert why.details["refills_at"] > datetime.now(UTC)

    def test_for_a_worker(self, durable, worker, change):
        """Nobody serves its queue; nobody who does knows it; or all is well."""
        id = durable.insert(Scripted())
        nobody = durable.explain(id)
        worker("elsewhere", queues=["mail"])
        still_nobody = durable.explain(id)
        worker("w1", known=[["engine.Scripted", 2, "start"], ["start", 1, "engine.Scripted"]])
        stranger = durable.explain(id)
        worker("w2")
        due = durable.explain(id)
        change("UPDATE gendurable.nodes SET beat_at = beat_at - interval '1 hour'")
        dead = durable.explain(id)

        assert [why.reason for why in (nobody, still_nobody, stranger, due, dead)] == [
            Reason.NO_WORKER,
            Reason.NO_WORKER,
            Reason.UNKNOWN_STEP,
            Reason.DUE,
            Reason.NO_WORKER,
        ]
        assert due.details["workers"] == ("w2",)

    def test_one_that_adopts_its_version_knows_it(self, durable, worker):
        """A worker that knows any step of an old version knows this one."""
        id = durable.insert(Scripted())
        worker("w1", known=[["engine.Scripted", 1, None]])

        assert durable.explain(id).reason == Reason.DUE


def prepares(conn) -> int:
    """Return how many prepared transactions the server allows."""
    found = int(conn.scalar(text("SHOW max_prepared_transactions")))
    conn.rollback()
    return found


class TestRunning:
    def test_executing(self, durable, script, change):
        """On which worker, and until when; or that its lease has lapsed."""
        seen = []

        def start(obj, ctx):
            seen.append(durable.explain(ctx.id))
            change(
                "UPDATE gendurable.instances SET lease_expires_at ="
                " statement_timestamp() - interval '90 s'"
            )
            seen.append(durable.explain(ctx.id))
            return gd.Done()

        script["start"] = start
        durable.insert(Scripted())
        drain(durable)

        assert {why.reason for why in seen} == {Reason.EXECUTING}
        assert "drain:" in seen[0].text
        assert "lease until" in seen[0].text
        assert "lapsed 90 s ago" in seen[1].text

    def test_ended(self, durable, script):
        """How it ended."""
        script["start"] = lambda obj, ctx: gd.Stop("no money")
        id = durable.insert(Scripted(), correlation_key="k")
        drain(durable)

        why = durable.explain(id)
        assert why.reason == Reason.ENDED
        assert "failed in step 'start': no money" in why.text
        with pytest.raises(gd.NoTarget):
            durable.explain("k")


class Other(gd.FSM, name="engine.Other"):
    """Somebody else's machine."""

    @gd.step
    def start(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Done()
