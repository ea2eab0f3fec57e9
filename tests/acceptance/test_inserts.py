"""What an insert takes: keys, batches, instants, and names that are just names."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

import gendurable as gd
from gendurable.errors import DuplicateInstance, InvalidInput, NoTarget
from gendurable.models.schemas import tables_for
from gendurable.testing import assert_status, drain
from tests.acceptance.tickets import Ticket

INJECTION = "'; DROP TABLE gendurable.instances; --"


class TestKeys:
    def test_waits_for_another_transaction(self, durable, engine, conn, blocked):
        """An insert waits for the transaction that is inserting its key, then knows better."""
        for end, expected in (("commit", False), ("rollback", True)):
            key = f"key:{end}"
            other = engine.connect()
            first = durable.insert(Ticket(), session=other, correlation_key=key)
            with ThreadPoolExecutor(1) as pool:
                waiting = pool.submit(
                    durable.insert,
                    Ticket(),
                    session=conn,
                    correlation_key=key,
                    if_exists="return",
                )
                blocked(conn)
                getattr(other, end)()
                second = waiting.result(10)
            assert second.created is expected
            assert (second.id == first.id) is not expected
            conn.commit()
            other.close()

    def test_free_again(self, durable):
        """A LIVE key is free once its holder has ended, an ALL key is not."""
        live = durable.insert(Ticket(), correlation_key="live")
        always = durable.insert(Ticket(), correlation_key="all", correlation_scope=gd.ALL)
        durable.cancel(live, "no")
        durable.cancel(always, "no")

        assert durable.insert(Ticket(), correlation_key="live").id > always.id
        with pytest.raises(DuplicateInstance):
            durable.insert(Ticket(), correlation_key="all")

    def test_a_label(self, durable):
        """Without a scope a key is a label: not unique, and nobody answers to it."""
        for _ in range(2):
            durable.insert(Ticket(), correlation_key="label", correlation_scope=None)
        with pytest.raises(NoTarget):
            durable.signal("label", "answer")

    def test_a_tuple(self, durable):
        """What was inserted under a tuple is addressed by it, wherever a target is named."""
        key = ("order", 7)
        handle = durable.insert(Ticket(), correlation_key=key)

        durable.pause(key)
        durable.resume(key)
        assert durable.wait(key, timeout=0).status == "runnable"
        assert durable.explain(key).reason is gd.Reason.NO_WORKER
        assert durable.instance(key).id == handle.id
        assert durable.signal(key, "answer")
        assert asyncio.run(durable.aio.signal(key, "answer"))
        assert durable.cancel(key, "no")
        assert_status(durable, key, "cancelled")
        with pytest.raises(NoTarget, match="'order:7'"):
            durable.signal(key, "answer")

    def test_of_one_transaction(self, durable, engine):
        """A key that this transaction has taken itself is taken."""
        with Session(engine) as caller:
            first = durable.insert(Ticket(), session=caller, correlation_key="k")
            again = durable.insert(
                Ticket(), session=caller, correlation_key="k", if_exists="return"
            )
            assert again.id == first.id
            with pytest.raises(DuplicateInstance):
                durable.insert(Ticket(), session=caller, correlation_key="k")


class TestInsertAll:
    def test_order_and_duplicates(self, durable, engine):
        """Handles come in input order; duplicates of the table and of the batch are None."""
        taken = durable.insert(Ticket(), correlation_key="b")
        handles = durable.insert_all(
            [
                gd.Spawn(Ticket(number=0), correlation_key="c"),
                gd.Spawn(Ticket(number=1), correlation_key="b"),
                Ticket(number=2),
                gd.Spawn(Ticket(number=3), correlation_key="a"),
                gd.Spawn(Ticket(number=4), correlation_key="c"),
                gd.Spawn(Ticket(number=5), correlation_key="b", if_exists="return"),
                gd.Spawn(Ticket(number=6), correlation_key="a", if_exists="return"),
            ]
        )
        assert [one is None for one in handles] == [False, True, False, False, True, False, False]
        numbers = [one and durable.instance(one).state["number"] for one in handles]
        assert numbers == [0, None, 2, 3, None, 0, 3]
        assert handles[5].id == taken.id
        assert [one.created for one in handles if one] == [True, True, True, False, False]

    @pytest.mark.parametrize("one", [Ticket(), gd.Spawn(Ticket())])
    def test_one_object(self, durable, count, one):
        """An object is no list; to iterate over it would give its fields."""
        with pytest.raises(InvalidInput, match="is a single object; give a list"):
            durable.insert_all(one)
        team = durable.insert(Ticket())
        with pytest.raises(InvalidInput, match="is a single object; give a list"):
            durable.schedule_children(team, one)
        assert count() == 1

    def test_nothing(self, durable):
        """An empty batch is no error."""
        assert durable.insert_all([]) == []

    def test_more_than_one_statement_takes(self, durable, count):
        """A batch beyond the statement's size keeps its order."""
        handles = durable.insert_all(Ticket(number=n) for n in range(10_050))
        assert count() == 10_050
        assert durable.instance(handles[10_049]).state == {"number": 10_049}

    def test_one_bad_object(self, durable, count):
        """If one of them is not acceptable none is inserted."""
        with pytest.raises(InvalidInput):
            durable.insert_all([Ticket(), object()])
        assert count() == 0


class TestWhen:
    def test_delay(self, durable):
        """A delay counts from the database's clock at the insert."""
        row = durable.instance(durable.insert(Ticket(), delay=timedelta(minutes=1)))
        assert row.eligible_at - row.inserted_at == timedelta(minutes=1)

    def test_at(self, durable):
        """An instant is taken as it is, whatever its zone."""
        at = datetime(2040, 1, 1, 12, tzinfo=UTC)
        assert durable.instance(durable.insert(Ticket(), at=at)).eligible_at == at
        zone = datetime.fromisoformat("2040-01-01T12:00:00+05:30")
        assert durable.instance(durable.insert(Ticket(), at=zone)).eligible_at == zone

    def test_a_held_transaction(self, durable, engine):
        """In a transaction that was begun long ago the delay counts from the insert."""
        with Session(engine) as caller:
            began = caller.scalar(text("SELECT now()"))
            caller.execute(text("SELECT pg_sleep(0.05)"))
            handle = durable.insert(Ticket(), session=caller, delay=10)
            caller.commit()
        due = durable.instance(handle).eligible_at
        assert due - began > timedelta(seconds=10.04)

    @pytest.mark.parametrize(
        "options",
        [
            {"at": datetime(2040, 1, 1)},
            {"at": "2040-01-01"},
            {"delay": -1},
            {"delay": float("nan")},
            {"delay": 1, "at": datetime(2040, 1, 1, tzinfo=UTC)},
            {"delay": timedelta(days=365 * 101)},
            {"priority": 40_000},
            {"weight": 0},
        ],
    )
    def test_refused(self, durable, count, options):
        """Instants without a zone, and numbers that make no sense, are refused at once."""
        with pytest.raises(InvalidInput):
            durable.insert(Ticket(), **options)
        assert count() == 0


class TestNames:
    def test_are_just_names(self, durable, count):
        """Whatever looks like SQL is text, wherever it enters."""
        handle = durable.insert(
            Ticket(),
            queue=INJECTION,
            correlation_key=INJECTION,
            headers={INJECTION: INJECTION},
        )
        assert durable.signal(INJECTION, INJECTION, {INJECTION: 1}, dedup_key=INJECTION)
        assert not durable.signal(INJECTION, INJECTION, dedup_key=INJECTION)
        assert drain(durable) == {"await": 1}
        durable.cancel(INJECTION, INJECTION, by=INJECTION)

        row = durable.instance(handle)
        assert (row.queue, row.last_error, row.headers) == (
            INJECTION,
            INJECTION,
            {INJECTION: INJECTION},
        )
        assert count() == 1

    @pytest.mark.parametrize("name", ["%s", "%(id)s", ":id", "{}", "é" * 256, "a\\b", "$1", " "])
    def test_that_look_like_parameters(self, durable, name):
        """Placeholders of drivers and of formats are text as well."""
        durable.insert(Ticket(), queue=name, correlation_key=name)
        assert durable.signal(name, name, {name: name}, dedup_key=name)

    @pytest.mark.parametrize("name", ["", "a\0b", "\ud800", "x" * 513, "é" * 257, 7, b"bytes"])
    def test_refused(self, durable, count, mail, name):
        """NUL, lone surrogates, nothing, too much and what is no text: refused where it enters."""
        there = durable.insert(Ticket(), correlation_key="there")
        for call in (
            lambda: durable.insert(Ticket(), queue=name),
            lambda: durable.insert(Ticket(), correlation_key=name),
            lambda: durable.signal(there, name),
            lambda: durable.signal(there, "answer", dedup_key=name),
            lambda: gd.Spawn(Ticket(), correlation_key=name),
        ):
            with pytest.raises(InvalidInput):
                call()
        if not isinstance(name, int):
            with pytest.raises(InvalidInput):
                durable.signal(name, "answer")
            with pytest.raises(InvalidInput):
                durable.cancel(name, "no")
        assert (count(), mail()) == (1, 0)

    @pytest.mark.parametrize("value", ["a\0b", "\ud800", float("nan"), float("inf"), object()])
    def test_values_refused(self, durable, count, mail, value):
        """Payloads and headers that no jsonb holds are refused, deep inside too."""
        there = durable.insert(Ticket())
        with pytest.raises(InvalidInput):
            durable.signal(there, "answer", {"a": [value]})
        with pytest.raises(InvalidInput):
            durable.insert(Ticket(), headers={"a": [value]})
        assert (count(), mail()) == (1, 0)

    def test_a_refused_value_leaves_the_transaction_usable(self, durable, engine, count):
        """What is refused is refused before it reaches the caller's transaction."""
        with Session(engine) as caller:
            durable.insert(Ticket(), session=caller)
            for bad in ({"queue": "\0"}, {"headers": {"a": "\0"}}, {"correlation_key": "\ud800"}):
                with pytest.raises(InvalidInput):
                    durable.insert(Ticket(), session=caller, **bad)
            caller.commit()
        assert count() == 1

    @pytest.mark.parametrize("target", [0, -1, 2**63, 1.5, None, True, (), (7, "order")])
    def test_targets(self, durable, target):
        """What can be no id, and is no key, is refused."""
        with pytest.raises(InvalidInput):
            durable.signal(target, "answer")
        with pytest.raises(InvalidInput):
            durable.cancel(target, "no")

    def test_nobody(self, durable):
        """A target that is not there, or has ended, is ``NoTarget``."""
        ended = durable.insert(Ticket(), correlation_key="k")
        durable.cancel(ended, "no")
        for target in (2**62, "k", ended):
            with pytest.raises(NoTarget):
                durable.signal(target, "answer")
        with pytest.raises(NoTarget):
            durable.cancel("k", "no")
        assert durable.cancel(ended, "again") is False


class TestRepr:
    def test_says_which_row_it_is(self, durable):
        """A row shows what is loaded of it, and reads nothing for that."""
        id = durable.insert(Ticket()).id
        found = durable.instance(id)
        assert (
            repr(found) == f"<Instance id={id} fsm={found.fsm} step={found.step} status=runnable>"
        )

        with Session(durable.engine) as session:
            found = durable.instance(id, session=session)
            session.expire(found)
            session.expunge(found)
        assert repr(found) == "<Instance>"
        assert repr(durable.StoredSignal(id=3, name="go")) == "<StoredSignal id=3 name=go>"

    def test_in_another_schema(self):
        """Its classes show the same."""
        tables = tables_for("elsewhere")
        assert repr(tables.Transition(id=1, kind="next")) == "<Transition id=1 kind=next>"
