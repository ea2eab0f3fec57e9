"""The pytest plugin: what an application's tests get by naming a fixture."""

from __future__ import annotations

import pytest


@pytest.fixture
def project(pytester: pytest.Pytester, gendurable_server, monkeypatch):
    """An application with tests of its own, on the server of this run."""
    monkeypatch.setenv("GENDURABLE_TEST_URL", gendurable_server)
    return pytester


def test_a_session_is_rolled_back_after_each_test(project):
    """What one test commits, the next does not see."""
    project.makepyfile(
        """
        import pytest
        from sqlalchemy import func, select
        from gendurable.models import Node

        @pytest.mark.parametrize("run", [1, 2])
        def test_commit(gendurable_session, run):
            count = select(func.count()).select_from(Node)
            assert gendurable_session.scalar(count) == 0
            gendurable_session.add(Node(name="n", queues=[], machines={}))
            gendurable_session.commit()
            assert gendurable_session.scalar(count) == 1
        """
    )

    project.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_the_url_goes_into_an_option_of_alembic(project):
    """A percent sign would mean something there."""
    project.makepyfile(
        """
        from alembic.config import Config

        def test_option(gendurable_url):
            config = Config()
            config.set_main_option("sqlalchemy.url", gendurable_url)
            assert config.get_main_option("sqlalchemy.url") == gendurable_url
        """
    )

    project.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_a_comparison_with_a_drain_shows_why_instances_failed(project):
    """pytest would cut that short; where all went well it shows what it ever shows."""
    why = "Parcel 17 failed at send: ConnectionError: the carrier is away, and has been for hours"
    project.makepyfile(
        f"""
        from gendurable.testing import Tally

        def test_failed():
            tally = Tally(stop=1)
            tally.notes.append({why!r})
            assert tally == {{"done": 1}}

        def test_well():
            assert Tally(done=2) == {{"done": 1}}
        """
    )

    result = project.runpytest_subprocess("-p", "no:cacheprovider")

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*assert Tally({'stop': 1}) == {'done': 1}", f"*{why}"])
    result.stdout.fnmatch_lines(["*Differing items:"])


def test_an_application_may_bring_its_own_schema(project):
    """The engine reaches a migrated database, to which the application adds its tables."""
    project.makeconftest(
        """
        import pytest
        from sqlalchemy import text

        @pytest.fixture(scope="session", autouse=True)
        def tables(gendurable_engine):
            with gendurable_engine.begin() as conn:
                conn.execute(text("CREATE TABLE orders (id bigint)"))
        """
    )
    project.makepyfile(
        """
        from sqlalchemy import text

        def test_both(gendurable_session):
            gendurable_session.execute(text("SELECT FROM orders, gendurable.instances"))
        """
    )

    project.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_asks_for_no_server_unless_a_test_does(project, monkeypatch):
    """Where no test names a fixture, no PostgreSQL is looked for."""
    monkeypatch.setenv("GENDURABLE_TEST_URL", "postgresql+psycopg://nobody@nowhere.invalid/none")
    project.makepyfile("def test_plain(): pass")

    project.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
