"""Machines, workers, and what is shown when something is not there."""

from __future__ import annotations

import pytest

import gendurable as gd
from gendurable.web import dashboard
from tests.web.conftest import Order, Visitor


class TestTheRest:
    def test_machines(self, visitor):
        """A machine's page names its steps and says what it is for."""
        assert "web.Order" in visitor.get("/machines").text
        page = visitor.get("/machines?name=web.Order&version=1").text
        assert "An order: it waits for its money." in page
        assert '<th scope="row">ship</th>' in page

    @pytest.mark.parametrize("query", ["name=nobody", "name=web.Order&version=2"])
    def test_unknown_machine(self, visitor, query):
        """One that this process does not know is a 404."""
        assert visitor.get(f"/machines?{query}").status_code == 404

    def test_workers(self, visitor, durable, engine):
        """A worker that has long been silent is marked so; one without a record, too."""
        with engine.begin() as conn:
            conn.exec_driver_sql(
                "INSERT INTO gendurable.nodes (name, queues, machines, beat_at) VALUES"
                " ('old', '{a}', '[[\"m\", 1, \"s\"]]', statement_timestamp() - interval '5 min')"
            )

        page = visitor.get("/nodes").text

        assert "silent" in page
        assert '<span class="chip">m</span>' in page

    def test_another_schema(self, engine):
        """A binding to another schema shows that one."""
        durable = gd.bind(engine, schema="elsewhere", name="other")
        durable.create_schema()
        durable.insert(Order(note="there"))
        page = Visitor(dashboard(durable)).get("/instances").text
        durable.notifier.close()

        assert "web.Order" in page
        assert "elsewhere" in page

    def test_a_missing_schema(self, empty_url):
        """Before the schema is there, the page says which command makes it."""
        from sqlalchemy import create_engine

        engine = create_engine(empty_url)
        page = Visitor(dashboard(gd.bind(engine))).get("/")
        engine.dispose()

        assert page.status_code == 503
        assert "create_schema()" in page.text

    def test_a_database_that_is_away(self):
        """While the database is away the page says so, and is no stack trace."""
        from sqlalchemy import create_engine

        engine = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
        page = Visitor(dashboard(gd.bind(engine))).get("/")

        assert page.status_code == 503
        assert "does not answer" in page.text

    def test_reads_only(self, durable, engine):
        """A page's transaction cannot write."""
        from sqlalchemy.exc import InternalError

        from gendurable.web.reading import snapshot

        with pytest.raises(InternalError, match="read-only"), snapshot(durable) as conn:
            conn.exec_driver_sql("DELETE FROM gendurable.instances")
