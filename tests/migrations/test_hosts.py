"""Host applications with an Alembic of their own: one lineage, or our folder beside theirs."""

from __future__ import annotations

import os
import shutil

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    create_engine,
    inspect,
)

from gendurable import migrations
from gendurable.migrations import history
from gendurable.models import Base, Instance
from tests.migrations.catalog import catalog
from tests.migrations.host import Host

NAMING = {"pk": "pk_%(table_name)s", "ck": "ck_%(table_name)s_%(constraint_name)s", "fk": "fk_x"}

UP = f"migrations.upgrade(op, to={migrations.head()!r})"
DOWN = f"migrations.downgrade(op, since={migrations.head()!r})"


@pytest.fixture
def engine(empty_url):
    """An engine on the database of a host that has nothing yet."""
    engine = create_engine(empty_url)
    yield engine
    engine.dispose()


@pytest.fixture
def orders():
    """The host's own tables."""
    metadata = MetaData()
    Table("orders", metadata, Column("id", Integer, primary_key=True))
    return metadata


@pytest.fixture
def host(tmp_path, empty_url, orders):
    """Make a host with the given options of ``context.configure``."""

    def host(**options):
        return Host(tmp_path / "host", empty_url, **{"target_metadata": orders, **options})

    return host


def snapshot(engine: Engine, schema: str = "gendurable") -> dict[str, object]:
    with engine.connect() as conn:
        return catalog(conn, schema)


def expected(engine: Engine) -> dict[str, object]:
    """What the schema looks like when it was made without Alembic."""
    with engine.connect() as conn:
        migrations.create_schema(conn, "expected")
        return catalog(conn, "expected")


def ours(engine: Engine, schema: str = "gendurable") -> list[str]:
    return inspect(engine).get_table_names(schema)


class TestOneLineage:
    @pytest.fixture
    def lineage(self, host):
        """A host whose second of three revisions brings our schema."""
        host = host()
        host.revision("a", None, "op.execute('CREATE TABLE orders (id serial PRIMARY KEY)')")
        host.revision("b", "a", UP, DOWN)
        host.revision(
            "c", "b", "op.execute('CREATE TABLE later (id int)')", "op.drop_table('later')"
        )
        return host

    def test_upgrade_head_brings_the_schema(self, lineage, engine):
        """The host keeps one head, and `upgrade head` is all that it types."""
        lineage.upgrade("head")

        assert lineage.heads() == {"c"}
        assert snapshot(engine) == expected(engine)

    def test_downgrade_takes_it_away(self, lineage, engine):
        """`downgrade -2` undoes the host's last revision and ours, and the way back is open."""
        lineage.upgrade("head")
        lineage.downgrade("-2")
        assert ours(engine) == []

        lineage.upgrade("head")
        assert snapshot(engine) == expected(engine)

    def test_sql_prints_both_directions(self, lineage, engine):
        """`--sql` gives a script that a DBA can run, up and down."""
        up = lineage.upgrade("head", sql=True)
        down = lineage.downgrade("c:base", sql=True).replace("DROP TABLE orders", "")
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.exec_driver_sql(up)
            assert migrations.current(conn) == migrations.head()
            assert catalog(conn, "gendurable") == expected(engine)

            conn.exec_driver_sql(down)
            assert migrations.current(conn) is None

    def test_another_schema(self, host, engine):
        """The host's revision may put the tables into a schema of its choice."""
        host = host()
        host.revision("a", None, UP.replace(")", ", schema='work')"), DOWN)

        host.upgrade("head")

        assert snapshot(engine, "work") == expected(engine)

    def test_is_not_bent_by_the_host_s_naming_convention(self, host, engine):
        """Constraints have our names, whatever convention the host's MetaData has."""
        host = host(target_metadata=MetaData(naming_convention=NAMING))
        host.revision("a", None, UP, DOWN)

        host.upgrade("head")

        assert snapshot(engine) == expected(engine)

    def test_goes_on_from_a_schema_that_was_made_without_alembic(self, lineage, engine):
        """A step that the database has already taken is passed over."""
        migrations.create_schema(engine)

        lineage.upgrade("head")

        assert snapshot(engine) == expected(engine)


class TestOwnLocation:
    @pytest.fixture
    def located(self, host):
        """A host that has our folder among its version locations."""
        host = host()
        host.configure(
            version_locations=os.pathsep.join([str(host.versions), migrations.LOCATION]),
            path_separator="os",
        )
        host.revision("a", None, "op.execute('CREATE TABLE orders (id serial PRIMARY KEY)')")
        return host

    def test_upgrade_heads_brings_the_schema(self, located, engine):
        """Two branches have two heads, and `upgrade heads` brings both."""
        located.upgrade("heads")

        assert located.heads() == {"a", migrations.head()}
        assert snapshot(engine) == expected(engine)

    def test_a_host_begins_a_branch_of_its_own(self, host, engine):
        """What autogenerate writes is put into the host's folder, and comes after our tables."""
        tables = MetaData()
        Table("orders", tables, Column("id", Integer, primary_key=True))
        host = host(target_metadata=tables)
        both = os.pathsep.join([str(host.versions), migrations.LOCATION])
        host.configure(version_locations=both, path_separator="os")
        host.upgrade("heads")
        Table("parcels", tables, Column("checkout", ForeignKey(Instance.id), primary_key=True))

        first = host.autogenerate(
            head="base",
            branch_label="shop",
            depends_on="gendurable@head",
            version_path=str(host.versions),
        )
        host.upgrade("heads")
        tables.tables["orders"].append_column(Column("note", Integer))
        second = host.autogenerate(head="shop@head")
        host.downgrade("base")
        host.upgrade("heads")

        assert "create_table('orders'" in first
        assert "create_table('parcels'" in first
        assert "add_column('orders'" in second
        assert len(list(host.versions.glob("*.py"))) == 2
        assert {"orders", "parcels"} < set(inspect(engine).get_table_names())

    def test_the_label_names_our_branch(self, located, engine):
        """`gendurable@head` and `gendurable@base` move our branch alone."""
        located.upgrade("gendurable@head")
        assert inspect(engine).get_table_names() == ["alembic_version"]
        assert ours(engine)

        located.downgrade("gendurable@base")
        assert ours(engine) == []

    def test_sql_prints_the_schema(self, located, engine):
        """`--sql` works for our branch too."""
        printed = located.upgrade("gendurable@head", sql=True)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            conn.exec_driver_sql(printed)

        assert snapshot(engine) == expected(engine)

    def test_another_schema(self, located, engine):
        """The host's alembic.ini may name the schema."""
        located.configure(gendurable_schema="work")

        located.upgrade("heads")

        assert snapshot(engine, "work") == expected(engine)

    def test_a_host_s_file_in_our_folder_is_none_of_our_revisions(
        self, tmp_path, host, engine, monkeypatch, caplog
    ):
        """Alembic puts a revision beside the one that it follows: we say so, and go on."""
        folder = shutil.copytree(migrations.LOCATION, tmp_path / "ours")
        host = host()
        host.configure(version_locations=str(folder), path_separator="os")
        host.upgrade("heads")
        assert "create_table('orders'" in host.autogenerate(rev_id="ef8b0a1098a9")
        host.upgrade("heads")

        monkeypatch.setattr(history, "LOCATION", str(folder))
        found = history.revisions.__wrapped__()

        assert [one.revision for one in found] == [one.revision for one in history.revisions()]
        assert "ef8b0a1098a9_auto.py lies among the revisions of gendurable" in caplog.text


class TestAutogenerate:
    @pytest.fixture(params=["gendurable", "work"])
    def schema(self, request, engine):
        """A schema of ours, under its usual name and under another."""
        migrations.create_schema(engine, request.param)
        return request.param

    @pytest.mark.parametrize("include_schemas", [False, True])
    def test_proposes_nothing_about_our_tables(self, host, schema, include_schemas):
        """Not even a host that compares all schemas is told to drop what it does not know."""
        host = host(target_metadata=MetaData(), include_schemas=include_schemas)

        assert host.autogenerate() == "pass"

    @pytest.mark.filterwarnings("ignore:Computed default")  # Alembic cannot compare those
    @pytest.mark.parametrize("include_schemas", [False, True])
    def test_proposes_nothing_where_our_metadata_is_listed(self, host, engine, include_schemas):
        """A host that lists our MetaData beside its own is not told to create our tables."""
        host = host(target_metadata=[MetaData(), Base.metadata], include_schemas=include_schemas)
        assert host.autogenerate() == "pass"

        migrations.create_schema(engine)
        host.upgrade("head")
        assert host.autogenerate() == "pass"

    @pytest.mark.parametrize("include_schemas", [False, True])
    def test_still_sees_the_host_s_tables(self, host, schema, include_schemas):
        """What the host adds is proposed as ever."""
        proposal = host(include_schemas=include_schemas).autogenerate()

        assert "create_table('orders'" in proposal
        assert "drop" not in proposal

    @pytest.mark.parametrize("include_schemas", [False, True])
    def test_sees_a_host_s_table_of_the_same_name(self, host, engine, schema, include_schemas):
        """A table that is called like one of ours, but lives elsewhere, is the host's."""
        with engine.begin() as conn:
            conn.exec_driver_sql("CREATE TABLE signals (id int)")

        proposal = host(include_schemas=include_schemas).autogenerate()

        assert "drop_table('signals')" in proposal

    @pytest.mark.parametrize("include_schemas", [False, True])
    def test_knows_foreign_keys_that_point_at_us(self, host, orders, engine, include_schemas):
        """A host's key to an instance is proposed once, and found again afterwards."""
        migrations.create_schema(engine)
        key = ForeignKey(Instance.id, ondelete="SET NULL")
        orders.tables["orders"].append_column(Column("instance", key))
        host = host(include_schemas=include_schemas)

        assert "['gendurable.instances.id']" in host.autogenerate()
        host.upgrade("head")

        assert host.autogenerate() == "pass"
