"""The schema's history: up, down, printed as SQL, in any schema, and in step with the models."""

from __future__ import annotations

import threading

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, func, inspect, select, text, update

from gendurable import migrations
from gendurable.errors import SchemaError
from gendurable.models import Base, Installation
from gendurable.models.schemas import tables_for
from tests.migrations.catalog import catalog


@pytest.fixture
def engine(empty_url):
    """An engine on an empty database."""
    engine = create_engine(empty_url)
    yield engine
    engine.dispose()


@pytest.fixture
def conn(engine: Engine):
    """A connection to an empty database."""
    with engine.connect() as conn:
        yield conn


def schemas(conn: Connection) -> set[str]:
    """Return the schemas that somebody made."""
    return set(inspect(conn).get_schema_names()) - {"information_schema", "public"}


def without_storage(conn: Connection, schema: str) -> dict[str, object]:
    """Return what the models, too, know of a schema."""
    found = catalog(conn, schema)
    return {name: facts for name, facts in found.items() if not name.startswith("storage")}


class TestCreateSchema:
    def test_makes_what_the_models_describe(self, conn):
        """Migrating an empty database gives the tables, types and indexes of the models."""
        migrations.create_schema(conn, "migrated")
        conn.execute(text("CREATE SCHEMA gendurable"))
        Base.metadata.create_all(conn)

        assert without_storage(conn, "migrated") == without_storage(conn, "gendurable")

    def test_the_models_go_and_come_again(self, conn):
        """Types go with their table, also where somebody has dropped that by himself."""
        conn.execute(text("CREATE SCHEMA gendurable"))
        Base.metadata.create_all(conn)
        before = catalog(conn, "gendurable")

        Base.metadata.drop_all(conn)
        Base.metadata.create_all(conn)
        conn.execute(text("DROP TABLE gendurable.instances CASCADE"))
        Base.metadata.create_all(conn)
        Base.metadata.drop_all(conn)
        Base.metadata.create_all(conn)

        assert catalog(conn, "gendurable") == before

    def test_makes_room_on_the_pages_of_the_instances(self, conn):
        """The table that each step updates has storage settings of its own."""
        migrations.create_schema(conn)

        assert "fillfactor=80" in str(catalog(conn, "gendurable")["storage instances"])

    def test_makes_every_table_of_the_default_schema(self, conn):
        """Without a name the schema is called gendurable, and nothing is put elsewhere."""
        migrations.create_schema(conn)

        names = set(inspect(conn).get_table_names("gendurable"))
        assert names == {table.name for table in Base.metadata.sorted_tables}
        assert inspect(conn).get_table_names("public") == []

    def test_twice_changes_nothing(self, conn):
        """A schema that is up to date is left as it is, its identity included."""
        migrations.create_schema(conn)
        before = conn.execute(select(Installation)).all()

        migrations.create_schema(conn)

        assert conn.execute(select(Installation)).all() == before

    def test_belongs_to_the_transaction_of_the_caller(self, engine):
        """With a connection, the schema is there if and when the caller commits."""
        with engine.connect() as conn:
            migrations.create_schema(conn)

        with engine.connect() as conn:
            assert migrations.current(conn) is None

    def test_takes_an_engine_and_commits(self, engine):
        """With an engine, the schema is there when the call returns."""
        migrations.create_schema(engine)

        with engine.connect() as conn:
            assert migrations.current(conn) == migrations.head()

    def test_by_two_programs_at_once_makes_one_schema(self, engine, eventually):
        """The second program waits for the first and finds the work done."""
        with engine.begin() as first:
            migrations.create_schema(first)
            second = threading.Thread(target=migrations.create_schema, args=[engine])
            second.start()
            waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            eventually(lambda: first.scalar(waiting))
        second.join(10)

        with engine.connect() as conn:
            assert conn.scalar(select(func.count()).select_from(Installation)) == 1

    def test_where_a_schema_was_prepared_needs_no_right_to_create_one(self, conn):
        """An administrator may hand over an empty schema instead of the right to make schemas."""
        conn.execute(text("DROP ROLE IF EXISTS gendurable_guest"))
        conn.execute(text("CREATE ROLE gendurable_guest"))
        conn.execute(text("CREATE SCHEMA prepared AUTHORIZATION gendurable_guest"))
        conn.execute(text("SET LOCAL ROLE gendurable_guest"))

        migrations.create_schema(conn, "prepared")

        assert migrations.current(conn, "prepared") == migrations.head()


class TestSeveralSchemas:
    @pytest.mark.parametrize(
        "name", ["other", "With Capitals", 'quo"te', "semi;colon", "co:lon", "%s"]
    )
    def test_any_name_will_do(self, conn, name):
        """A schema may be called whatever PostgreSQL allows."""
        migrations.create_schema(conn, name)
        assert migrations.current(conn, name) == migrations.head()

        migrations.drop_schema(conn, name)
        assert schemas(conn) == set()

    def test_live_side_by_side(self, conn):
        """Two schemas of one database are alike and know nothing of each other."""
        migrations.create_schema(conn, "one")
        migrations.create_schema(conn, "two")
        assert catalog(conn, "one") == catalog(conn, "two")

        migrations.drop_schema(conn, "one")
        assert schemas(conn) == {"two"}

    def test_need_no_search_path(self, conn):
        """Every name is written with its schema, so that search_path does not matter."""
        conn.execute(text("SET LOCAL search_path = ''"))

        migrations.create_schema(conn, "elsewhere")
        migrations.check(conn, "elsewhere")
        migrations.drop_schema(conn, "elsewhere")

        assert schemas(conn) == set()

    def test_may_be_the_public_one(self, conn):
        """A host that insists may keep the tables in public, which is not dropped."""
        conn.execute(text("CREATE TABLE public.mine (id int)"))

        migrations.create_schema(conn, "public")
        migrations.drop_schema(conn, "public")

        assert inspect(conn).get_table_names("public") == ["mine"]


class TestDropSchema:
    def test_up_down_up_ends_where_it_began(self, conn):
        """Downgrading leaves nothing behind that would stand in the way of upgrading again."""
        migrations.create_schema(conn)
        before = catalog(conn, "gendurable")

        migrations.drop_schema(conn)
        assert schemas(conn) == set()

        migrations.create_schema(conn)
        assert catalog(conn, "gendurable") == before

    def test_keeps_what_others_put_into_the_schema(self, conn):
        """A table of the host in our schema keeps the schema."""
        migrations.create_schema(conn)
        conn.execute(text("CREATE TABLE gendurable.mine (id int)"))

        migrations.drop_schema(conn)

        assert inspect(conn).get_table_names("gendurable") == ["mine"]


class TestScript:
    def test_makes_what_a_migration_makes(self, conn):
        """The printed SQL, run by hand, gives the same schema and says at which revision it is."""
        migrations.create_schema(conn, "migrated")

        conn.exec_driver_sql(migrations.script(schema="printed"))

        assert catalog(conn, "printed") == catalog(conn, "migrated")
        assert migrations.current(conn, "printed") == migrations.head()

    def test_from_the_newest_revision_is_empty(self):
        """There is nothing to print for a schema that is up to date."""
        assert migrations.script(since=migrations.head()) == ""


class TestCheck:
    def test_passes_a_schema_that_is_up_to_date(self, conn):
        """What create_schema made is fit for use."""
        migrations.create_schema(conn)

        migrations.check(conn)

    def test_names_the_command_for_a_missing_schema(self, conn):
        """The message says which schema of which database is missing, and what creates it."""
        with pytest.raises(
            SchemaError, match="has no gendurable schema 'gendurable'.*create_schema"
        ):
            migrations.check(conn)

    def test_refuses_a_schema_that_is_too_old(self, conn):
        """A schema behind this release is refused, with both revisions in the message."""
        op = Operations(MigrationContext.configure(conn))
        migrations.upgrade(op, to="gendurable_0001")

        with pytest.raises(
            SchemaError, match=f"gendurable_0001, this release needs {migrations.head()}"
        ):
            migrations.check(conn)

    def test_accepts_a_newer_schema(self, conn):
        """The schema is upgraded before the last old worker is gone."""
        migrations.create_schema(conn)
        conn.execute(update(Installation).values(revision="gendurable_9999"))

        migrations.check(conn)

    def test_does_not_touch_a_newer_schema(self, conn):
        """A release that does not know a revision can neither upgrade nor downgrade from it."""
        migrations.create_schema(conn)
        conn.execute(update(Installation).values(revision="gendurable_9999"))

        with pytest.raises(SchemaError, match="newer release"):
            migrations.drop_schema(conn)


class TestTablesFor:
    def test_returns_the_models_for_the_default_schema(self):
        """The classes of the default schema are the models that everybody imports."""
        assert tables_for("gendurable").Installation is Installation

    def test_maps_classes_to_another_schema(self, conn):
        """Objects of another schema's classes are stored in that schema."""
        migrations.create_schema(conn, "else")
        other = tables_for("else")

        assert other is tables_for("else")
        assert conn.scalar(select(other.Installation.revision)) == migrations.head()
        assert other.Instance.__table__.c.status.type.schema == "else"
        assert other.Instance.__table__.c.queue.type.domain.schema == "else"

    def test_names_what_is_missing(self):
        """A misspelt class is an AttributeError that says so."""
        with pytest.raises(AttributeError, match="no table class 'Instanz'"):
            _ = tables_for("else").Instanz
