"""A history of several revisions: from any of them to any other, connected or printed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from gendurable import migrations
from gendurable.errors import SchemaError
from gendurable.migrations import history


def revision(number: int) -> SimpleNamespace:
    """A later revision, which adds a table called after its number."""
    name = f"step_{number}"
    return SimpleNamespace(
        revision=f"gendurable_{number:04}",
        down_revision=f"gendurable_{number - 1:04}",
        up=lambda op, schema: op.execute(f"CREATE TABLE {schema}.{name} ()"),
        down=lambda op, schema: op.execute(f"DROP TABLE {schema}.{name}"),
    )


@pytest.fixture(autouse=True)
def future(monkeypatch):
    """A later release, which knows three revisions."""
    known = (history.revisions()[0], revision(2), revision(3))
    monkeypatch.setattr(history, "revisions", lambda: known)
    monkeypatch.setattr("gendurable.migrations.moves.revisions", lambda: known)


@pytest.fixture
def conn(empty_url):
    """A connection to an empty database."""
    engine = create_engine(empty_url)
    with engine.connect() as conn:
        yield conn
    engine.dispose()


@pytest.fixture
def op(conn):
    """What a host's revision calls ``op``."""
    return Operations(MigrationContext.configure(conn))


def steps(conn) -> list[int]:
    """Return the later revisions whose tables are there."""
    names = inspect(conn).get_table_names("gendurable")
    return sorted(int(name[-1]) for name in names if name.startswith("step_"))


def test_upgrade_goes_to_the_newest_by_default(op, conn):
    """Without a target all revisions are applied, and the newest is recorded."""
    migrations.upgrade(op)

    assert steps(conn) == [2, 3]
    assert migrations.current(conn) == "gendurable_0003"


def test_upgrade_stops_where_it_is_told(op, conn):
    """A host's revision names its target, and a later one goes on from there."""
    migrations.upgrade(op, to="gendurable_0002")
    assert steps(conn) == [2]

    migrations.upgrade(op, since="gendurable_0002", to="gendurable_0003")
    assert steps(conn) == [2, 3]


def test_upgrade_never_goes_back(op, conn):
    """A database that is ahead of a host's revision stays ahead."""
    migrations.upgrade(op)

    migrations.upgrade(op, to="gendurable_0002")

    assert migrations.current(conn) == "gendurable_0003"


def test_downgrade_returns_to_its_target(op, conn):
    """Only what came after the target is undone, newest first."""
    migrations.upgrade(op)

    migrations.downgrade(op, to="gendurable_0001")

    assert steps(conn) == []
    assert migrations.current(conn) == "gendurable_0001"


def test_downgrade_never_goes_forward(op, conn):
    """A database that is behind the target stays behind."""
    migrations.upgrade(op, to="gendurable_0001")

    migrations.downgrade(op, to="gendurable_0002")

    assert migrations.current(conn) == "gendurable_0001"


def test_script_prints_what_lies_between(conn):
    """The printed SQL holds the steps after *since*, up to *to*."""
    printed = migrations.script(since="gendurable_0001", to="gendurable_0002")

    assert "step_2" in printed
    assert "instances" not in printed
    assert "step_3" not in printed


def test_check_refuses_the_revision_of_the_last_release(op, conn):
    """A release does not run on a schema that is older than it is."""
    migrations.upgrade(op, to="gendurable_0002")

    with pytest.raises(SchemaError, match="gendurable_0002.*needs gendurable_0003") as caught:
        migrations.check(conn)

    said = str(caught.value)
    assert "migrations.upgrade(op, since='gendurable_0002', to='gendurable_0003')" in said
    assert "`gendurable schema upgrade`" in said


def test_an_unknown_target_is_refused(op):
    """A misspelt revision is named, with those that there are."""
    with pytest.raises(SchemaError, match="'gendurable_2' is unknown"):
        migrations.upgrade(op, to="gendurable_2")
