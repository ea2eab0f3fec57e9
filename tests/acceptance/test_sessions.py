"""A session of the request and a session of the step, with pyramid_tm and zope.sqlalchemy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import zope.sqlalchemy
from pyramid.config import Configurator
from pyramid.response import Response
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

import gendurable as gd
from gendurable.errors import ConfigError
from gendurable.testing import drain
from tests.acceptance.tickets import Ticket


@pytest.fixture
def get(durable, engine):
    """Ask a Pyramid application, whose views insert in the session of the request."""
    factory = sessionmaker(engine)

    def session_of(request):
        session = factory()
        zope.sqlalchemy.register(session, transaction_manager=request.tm)
        return session

    def view(request):
        durable.insert(Ticket(), session=request.dbsession)
        if "fail" in request.path:
            raise ValueError("no")
        return Response("ok", status=409 if "conflict" in request.path else 200)

    with Configurator(settings={"tm.manager_hook": "pyramid_tm.explicit_manager"}) as config:
        config.include("pyramid_tm")
        config.add_settings({"tm.commit_veto": "pyramid_tm.default_commit_veto"})
        config.add_request_method(session_of, "dbsession", reify=True)
        config.add_route("all", "/{name}")
        config.add_view(view, route_name="all")
        app = config.make_wsgi_app()

    def get(path):
        started = []
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "SERVER_NAME": "x",
            "SERVER_PORT": "80",
            "wsgi.url_scheme": "http",
        }
        b"".join(app(environ, lambda status, headers, *_: started.append(status)))
        return started[0]

    return get


class TestPyramid:
    def test_commits_with_the_request(self, get, count):
        """An insert that is all that a view does commits with its request."""
        assert get("/fine").startswith("200")
        assert count() == 1

    def test_an_error(self, get, count):
        """A view that raises leaves no trace."""
        with pytest.raises(ValueError, match="no"):
            get("/fail")
        assert count() == 0

    def test_a_veto(self, get, count):
        """Nor does one whose answer is vetoed."""
        assert get("/conflict").startswith("409")
        assert count() == 0

    def test_no_registered_factory_for_steps(self, engine):
        """A factory that is registered belongs to requests: steps must have a plain one."""
        factory = sessionmaker(engine)
        zope.sqlalchemy.register(factory)
        with pytest.raises(ConfigError, match="zope"):
            gd.bind(engine, session_factory=factory)


class TestDeadlocks:
    """Two rows, locked by two transactions in opposite order."""

    @pytest.fixture
    def clash(self, durable, engine, connect, blocked):
        """Cancel a family while somebody holds the child and then wants the parent."""

        class Family(gd.FSM, name="sessions.Family"):
            @gd.step
            def start(self, ctx: gd.Context) -> gd.Outcome:
                return gd.ScheduleChildren([Ticket()], self.start)

        parent = durable.insert(Family()).id
        drain(durable)
        with engine.begin() as conn:  # time enough to close the circle before anybody looks for it
            name = engine.url.database
            conn.exec_driver_sql(f"ALTER DATABASE {name} SET deadlock_timeout = '2s'")
        engine.dispose()
        lock = text("SELECT id FROM gendurable.instances WHERE id = :id FOR UPDATE")

        def clash(cancel, backend):
            other = connect()
            other.execute(text("SET LOCAL deadlock_timeout = '60s'"))
            other.execute(lock, {"id": parent + 1})
            with ThreadPoolExecutor(2) as pool:
                cancelled = pool.submit(cancel, parent)
                blocked(backend())
                wanting = pool.submit(other.execute, lock, {"id": parent})
                wanting.result(20)
                other.rollback()
                return cancelled.result(20)

        return clash

    def pids(self, engine):
        """Return the backend that waits for a lock of another one."""
        query = text(
            "SELECT pid FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
        )
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            while not (pid := conn.scalar(query)):
                pass
        return pid

    def test_of_our_own_transaction(self, durable, engine, clash):
        """A call in a transaction of its own runs again: nobody hears of the deadlock."""
        assert clash(lambda id: durable.cancel(id, "no", cascade=True), lambda: self.pids(engine))

    def test_of_the_callers(self, durable, engine, clash):
        """In the caller's transaction it reaches the caller, who alone can repeat it."""

        def cancel(id):
            with Session(engine) as session:
                durable.cancel(id, "no", cascade=True, session=session)

        with pytest.raises(OperationalError, match="deadlock"):
            clash(cancel, lambda: self.pids(engine))
