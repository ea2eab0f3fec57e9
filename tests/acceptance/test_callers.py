"""Working inside the caller's transaction: it takes effect if and when the caller commits."""

from __future__ import annotations

import pytest
import transaction
import zope.sqlalchemy
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session, scoped_session, sessionmaker

import gendurable as gd
from gendurable.errors import DuplicateInstance, InvalidInput, NoTarget
from gendurable.testing import drain, fire_schedules
from tests.acceptance.tickets import Team, Ticket


def a_session(engine):
    return Session(engine)


def a_scoped_session(engine):
    return scoped_session(sessionmaker(engine))


def a_connection(engine):
    return engine.connect()


@pytest.mark.parametrize("open_", [a_session, a_scoped_session, a_connection])
class TestEveryKind:
    def test_commit(self, durable, engine, count, open_):
        """Nobody sees the instance before the caller's commit, everybody does after it."""
        caller = open_(engine)
        durable.insert(Ticket(), session=caller)
        assert count() == 0

        caller.commit()
        assert count() == 1
        caller.close()

    def test_rollback(self, durable, engine, count, open_):
        """A rollback leaves no trace."""
        caller = open_(engine)
        durable.insert(Ticket(), session=caller)
        caller.rollback()

        assert count() == 0
        caller.close()

    def test_savepoint(self, durable, engine, count, open_):
        """A savepoint that is rolled back takes along what was inserted after it, only that."""
        caller = open_(engine)
        kept = durable.insert(Ticket(), session=caller)
        savepoint = caller.begin_nested()
        durable.insert(Ticket(), session=caller)
        savepoint.rollback()
        with caller.begin_nested():
            also_kept = durable.insert(Ticket(), session=caller)
        caller.commit()

        assert count() == 2
        assert durable.instance(kept)
        assert durable.instance(also_kept)
        caller.close()

    def test_everything_else(self, durable, engine, count, mail, open_):
        """Signals, cancels and children hang on the caller's commit just so."""
        ticket, other, team = (durable.insert(obj) for obj in (Ticket(), Ticket(), Team()))
        drain(durable)

        def act():
            durable.signal(ticket, "answer", 1, session=caller)
            durable.cancel(other, "no", session=caller)
            durable.schedule_children(team, [Ticket()], session=caller)
            durable.insert_all([Ticket(), Ticket()], session=caller)

        caller = open_(engine)
        act()
        caller.rollback()
        assert (count(), mail()) == (4, 0)
        assert durable.instance(other).status == "awaiting_signal"

        act()
        caller.commit()
        assert (count(), mail()) == (7, 1)
        assert durable.instance(other).status == "cancelled"
        assert durable.instance(ticket).status == "runnable"
        caller.close()

    def test_duplicate(self, durable, engine, count, open_):
        """A taken key raises and leaves the caller's transaction usable."""
        holder = durable.insert(Ticket(), correlation_key="k")
        caller = open_(engine)
        durable.insert(Ticket(), session=caller)
        with pytest.raises(DuplicateInstance) as caught:
            durable.insert(Ticket(), session=caller, correlation_key="k")
        found = durable.insert(Ticket(), session=caller, correlation_key="k", if_exists="return")
        with pytest.raises(NoTarget):
            durable.signal("nobody", "answer", session=caller)
        caller.commit()

        assert caught.value.id == holder.id
        assert (found.id, found.created) == (holder.id, False)
        assert count() == 2
        caller.close()


#: Each call, alone in its transaction; ``things`` are what it is made on.
CALLS = {
    "insert": lambda durable, things, s: durable.insert(Ticket(), session=s),
    "insert_all": lambda durable, things, s: durable.insert_all([Ticket()], session=s),
    "signal": lambda durable, things, s: durable.signal(things[0], "answer", session=s),
    "cancel": lambda durable, things, s: durable.cancel(things[1], "no", session=s),
    "schedule_children": lambda durable, things, s: durable.schedule_children(
        things[2], [Ticket()], session=s
    ),
    "retry": lambda durable, things, s: durable.retry(things[3], session=s),
    "reschedule": lambda durable, things, s: durable.reschedule(things[0], priority=7, session=s),
    "rewind": lambda durable, things, s: durable.rewind(things[0], to="start", session=s),
    "patch_state": lambda durable, things, s: durable.patch_state(
        things[0], {"number": 7}, session=s
    ),
    "pause": lambda durable, things, s: durable.pause(things[0], session=s),
    "resume": lambda durable, things, s: durable.resume(things[4], session=s),
    "pause a queue": lambda durable, things, s: durable.pause(queue="default", session=s),
    "resume a queue": lambda durable, things, s: durable.resume(queue="held", session=s),
    "cancel where": lambda durable, things, s: durable.cancel(
        where=gd.Instance.id == things[0].id, reason="no", session=s
    ),
    "retry where": lambda durable, things, s: durable.retry(
        where=gd.Instance.id == things[3].id, session=s
    ),
    "rewind where": lambda durable, things, s: durable.rewind(
        where=gd.Instance.id == things[0].id, to="start", session=s
    ),
    "set_limit": lambda durable, things, s: durable.set_limit(
        "mail", gd.ConcurrencyLimit(2), session=s
    ),
    "trigger": lambda durable, things, s: durable.trigger("yearly", session=s),
    "pause_schedule": lambda durable, things, s: durable.pause_schedule("yearly", session=s),
    "edit_schedule": lambda durable, things, s: durable.edit_schedule(
        "yearly", cron="0 0 2 1 *", session=s
    ),
    "unschedule": lambda durable, things, s: durable.unschedule("yearly", session=s),
}
#: Where any of them leaves a trace.
TABLES = ("instances", "signals", "transitions", "pauses", "limits", "schedules")


class TestZope:
    """Sessions run by zope.sqlalchemy, which commits only those that it thinks have written."""

    @pytest.fixture(params=[False, True], ids=["one-phase", "two-phase"])
    def factory(self, request, engine):
        """A scoped session factory that is registered, and the manager of its transactions."""
        factory = scoped_session(sessionmaker(engine, twophase=request.param))
        zope.sqlalchemy.register(factory)
        yield factory
        transaction.abort()
        factory.remove()

    @pytest.fixture
    def things(self, durable):
        """Two tickets that wait, a team that waits for its children, and two held in some way.

        There are a queue that is held, and a schedule, too.
        """
        made = [durable.insert(obj) for obj in (Ticket(), Ticket(), Team(), Ticket(), Ticket())]
        durable.cancel(made[3], "for now")
        durable.pause(made[4])
        durable.pause(queue="held")
        durable.schedule("yearly", Ticket(), cron="0 0 1 1 *")
        fire_schedules(durable)
        drain(durable)
        return made

    def state(self, durable):
        with durable.engine.begin() as conn:
            return [
                conn.execute(text(f"SELECT * FROM gendurable.{table} ORDER BY 1")).all()
                for table in TABLES
            ]

    @pytest.mark.parametrize("call", CALLS)
    @pytest.mark.parametrize("scoped", [True, False])
    def test_nothing_but_this(self, durable, factory, things, call, scoped):
        """A call that is alone in its transaction commits with it, and not before."""
        before = self.state(durable)
        CALLS[call](durable, things, factory if scoped else factory())
        assert self.state(durable) == before

        transaction.commit()
        assert self.state(durable) != before

    @pytest.mark.parametrize("call", CALLS)
    def test_abort(self, durable, factory, things, call):
        """An abort leaves no trace."""
        before = self.state(durable)
        CALLS[call](durable, things, factory)
        transaction.abort()

        assert self.state(durable) == before
        with durable.engine.begin() as conn:
            assert conn.scalar(text("SELECT count(*) FROM pg_prepared_xacts")) == 0

    def test_savepoint(self, durable, factory, count):
        """A savepoint of the transaction manager is one of the session's."""
        durable.insert(Ticket(), session=factory)
        savepoint = transaction.savepoint()
        durable.insert(Ticket(), session=factory)
        savepoint.rollback()
        transaction.commit()

        assert count() == 1

    def test_after_a_read(self, durable, factory, count):
        """A session that has only read is marked by the insert that follows."""
        factory.execute(text("SELECT 1"))
        durable.insert(Ticket(), session=factory)
        transaction.commit()

        assert count() == 1

    def test_a_manager_of_the_request(self, durable, engine, count):
        """A session that hangs on an explicit manager, as under pyramid_tm, commits with that."""
        manager = transaction.TransactionManager(explicit=True)
        session = Session(engine)
        zope.sqlalchemy.register(session, transaction_manager=manager)
        with manager:
            durable.insert(Ticket(), session=session)
            assert count() == 0
        assert count() == 1

        with pytest.raises(ValueError, match="no"), manager:
            durable.insert(Ticket(), session=session)
            raise ValueError("no")
        assert count() == 1

    def test_workers_are_told(self, durable, factory, heard):
        """Workers hear of it after the transaction manager's commit."""
        durable.insert(Ticket(), session=factory)
        assert heard(0.2) == []
        transaction.commit()
        assert heard()


class TestRefused:
    def test_autocommit(self, durable, url):
        """A session in AUTOCOMMIT mode has no transaction to take part in."""
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        for caller in (Session(engine), engine.connect()):
            with pytest.raises(InvalidInput, match="AUTOCOMMIT"):
                durable.insert(Ticket(), session=caller)
            caller.close()
        engine.dispose()

    def test_autocommit_of_one_connection(self, durable, engine, count):
        """So it is with a single connection that was switched."""
        caller = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        with caller, pytest.raises(InvalidInput, match="AUTOCOMMIT"):
            durable.insert(Ticket(), session=caller)
        assert count() == 0

    def test_another_database(self, durable, engine, count):
        """A session that reaches another database is refused, without its password."""
        url = engine.url.set(database="postgres", username="postgres", password="secret")
        elsewhere = create_engine(url)
        with Session(elsewhere) as caller, pytest.raises(InvalidInput) as caught:
            durable.insert(Ticket(), session=caller)
        assert "/postgres" in str(caught.value) or "'postgres'" in str(caught.value)
        assert "secret" not in str(caught.value)
        elsewhere.dispose()

    def test_another_database_by_a_parameter(self, durable, engine):
        """What the URL's parameters say is what the driver connects to."""
        elsewhere = create_engine(engine.url.update_query_dict({"dbname": "postgres"}))
        with Session(elsewhere) as caller, pytest.raises(InvalidInput, match="reaches"):
            durable.insert(Ticket(), session=caller)
        elsewhere.dispose()

    @pytest.mark.parametrize("caller", ["session", 7, object()])
    def test_something_else(self, durable, caller):
        """What is no session at all is named."""
        with pytest.raises(InvalidInput, match="must be a Session"):
            durable.insert(Ticket(), session=caller)

    def test_an_engine(self, durable, engine):
        """An engine has no transaction."""
        with pytest.raises(InvalidInput, match="must be a Session"):
            durable.insert(Ticket(), session=engine)

    def test_another_role_of_one_database(self, durable, url, count):
        """Another user, another driver's options, the same database: accepted."""
        engine = create_engine(url, connect_args={"application_name": "web"})
        with Session(engine) as caller:
            durable.insert(Ticket(), session=caller)
            caller.commit()
        assert count() == 1
        engine.dispose()

    @pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
    def test_other_levels_are_accepted(self, durable, url, count, level):
        """The caller's transaction may run at any other level."""
        engine = create_engine(url, isolation_level=level)
        with Session(engine) as caller:
            handle = durable.insert(Ticket(), session=caller, correlation_key="k")
            durable.signal(handle, "answer", session=caller)
            caller.commit()
            found = durable.insert(
                Ticket(), session=caller, correlation_key="k", if_exists="return"
            )
            assert found.id == handle.id
            caller.rollback()
        engine.dispose()


class TestTold:
    def test_never_in_the_callers_transaction(self, durable, engine, connect):
        """The caller's transaction sends no NOTIFY: PostgreSQL refuses to prepare those."""
        with Session(engine, twophase=True) as caller:
            handle = durable.insert(Ticket(), session=caller)
            durable.signal(handle, "answer", session=caller)
            durable.cancel(handle, "no", session=caller)
            caller.prepare()
            caller.commit()

        assert durable.instance(handle).status == "cancelled"

    @pytest.mark.parametrize("open_", [a_session, a_scoped_session, a_connection])
    def test_after_the_commit(self, durable, engine, heard, open_):
        """Workers hear of it once it is committed, and of nothing that was rolled back."""
        caller = open_(engine)
        durable.insert(Ticket(), session=caller)
        assert heard(0.2) == []
        caller.rollback()
        assert heard(0.2) == []
        durable.insert(Ticket(), session=caller)
        caller.commit()
        assert heard()
        caller.close()

    def test_without_a_session(self, durable, heard):
        """An insert of its own transaction is told as well."""
        durable.insert(Ticket())
        assert heard()
