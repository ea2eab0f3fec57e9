"""Statements that are their own transactions: what comes between them, and at which level."""

from __future__ import annotations

from contextlib import closing

import pytest
from sqlalchemy import create_engine, event, text

import gendurable as gd
from gendurable.engine import leases, retention
from gendurable.engine.claim import claim
from gendurable.lifecycle import TERMINAL
from gendurable.runtime.link import Link
from tests.races.play import Actor

WAITS = "SELECT 1 FROM pg_locks WHERE NOT granted"


class TestClaims:
    def test_an_unknown_row_is_held_before_it_is_set_aside(self, play, conn):
        """Its claim is committed by then: it is told of, and goes back once it can, as it was."""
        id = play.actor()
        play.change("UPDATE gendurable.instances SET fsm = 'races.nobody'")
        with closing(Link(play.engine)) as link, conn.begin():
            with link.begin(single=True) as single:
                play.watch(single, "lanes", lambda: play.lock(conn, id))
                claimed = claim(
                    single,
                    play.db,
                    "default",
                    5,
                    worker="w",
                    ttl=30,
                    catalogue=play.durable.catalogue,
                    single=True,
                )
            assert (claimed.claims, claimed.strays) == ([], True)
            with play.engine.begin() as third:
                assert leases.strays(third, play.db, "w", set()).skipped == {(id, 1)}
        with play.engine.begin() as third:
            assert leases.strays(third, play.db, "w", set()).queues == {"default"}

        row = play.row(id)
        assert (row.status, row.attempt, row.crashes) == ("runnable", 0, 0)

    def test_a_row_that_another_claim_looks_at(self, play, conn):
        """Alone, a claim leaves limited rows as they are, and the locks it took are gone."""
        ids = [play.actor(concurrency_key="a") for _ in range(2)]
        with closing(Link(play.engine)) as link, link.begin(single=True) as single:
            claimed = claim(
                single,
                play.db,
                "default",
                5,
                worker="w",
                ttl=30,
                catalogue=play.durable.catalogue,
                single=True,
            )
            assert (claimed.claims, claimed.limited) == ([], True)
            assert [one.id for one in play.claim(worker="v")] == ids[:1]


class TestOutcomes:
    def test_a_signal_between_snapshot_and_lock(self, play, conn, meanwhile, blocked):
        """It came before the end, and its instance has ended: a sweep takes it out of the inbox."""
        id = play.actor()
        other = play.actor()
        done, _ = (play.say(one, gd.Done()) for one in play.claim())
        assert play.durable.signal(other, "go")

        @event.listens_for(conn, "before_cursor_execute", retval=True)
        def gate(conn, cursor, statement, parameters, *rest):
            ids = "SELECT %(ids)s::BIGINT[] AS anon_1"
            return statement.replace(ids, f"{ids} FROM pg_advisory_xact_lock(4711)"), parameters

        with conn.begin():
            with play.gate():
                late = meanwhile(play.commit, done, conn=conn)
                blocked(conn)
                assert play.durable.signal(id, "go")
            assert late.result(10).ids == [id]
        assert play.row(id).status == "done"
        with play.engine.begin() as third:
            retention.sweep(third, play.db, dict.fromkeys(TERMINAL, 3600.0), 10)

        assert play.mail(id) == []
        assert len(play.mail(other)) == 1


class TestLevels:
    """The engine's own transactions are READ COMMITTED, whatever the server defaults to."""

    @pytest.fixture
    def strict(self, url):
        """A binding to a server that defaults to another level."""
        options = {"options": "-c default_transaction_isolation=serializable"}
        engine = create_engine(url, connect_args=options)
        durable = gd.bind(engine, name="strict")
        yield durable
        durable.notifier.close()
        engine.dispose()

    def test_a_key_that_is_taken_meanwhile(self, play, strict, conn, meanwhile, eventually):
        """The second of two inserts is a duplicate, and no failure to serialize."""
        with conn.begin():
            first = play.durable.insert(Actor(), correlation_key="k", session=conn)
            second = meanwhile(strict.insert, Actor(), correlation_key="k")
            eventually(lambda: play.rows(WAITS))
            conn.commit()
        with pytest.raises(gd.DuplicateInstance) as caught:
            second.result(10)

        assert caught.value.id == int(first)

    def test_who_listens_for_transactions_is_told_of_each(self, url, engine):
        """A role, or a tenant, that is set for each transaction holds in ours, too."""
        listened = create_engine(url)
        durable = gd.bind(listened)
        event.listen(
            listened,
            "begin",
            lambda conn: conn.exec_driver_sql("SET LOCAL application_name = 'tenant'"),
        )
        names = []
        event.listen(
            listened,
            "after_cursor_execute",
            lambda conn, cursor, statement, *_: (
                names.append(conn.exec_driver_sql("SHOW application_name").scalar())
                if "gendurable.instances" in statement
                else None
            ),
        )

        id = durable.insert(Actor())
        with closing(Link(durable.engine)) as link, link.begin(single=True) as conn:
            claim(conn, durable.db, "default", 1, worker="w", ttl=30, catalogue=durable.catalogue)

        with engine.connect() as other:
            query = text("SELECT status::text FROM gendurable.instances WHERE id = :id")
            assert other.scalar(query, {"id": int(id)}) == "executing"
        assert set(names) == {"tenant"}
        durable.notifier.close()
        listened.dispose()
