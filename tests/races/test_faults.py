"""Which errors of the database are a step's own, and which no outcome may suffer from."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError

import gendurable as gd
from gendurable.engine import faults
from tests.races.play import SCRIPT


def raising(code: str) -> str:
    """Return a statement that fails with this SQLSTATE."""
    return f"DO $$ BEGIN RAISE EXCEPTION 'as told' USING ERRCODE = '{code}'; END $$"


class TestInTheSessionOfAStep:
    @pytest.mark.parametrize("code", ["40P01", "40001", "57P01", "08006"])
    def test_what_is_none_of_the_step(self, play, code):
        """Deadlocks and lost connections run the step again, on the same claim and attempt."""
        id = play.actor()
        attempts = []

        def start(obj, ctx):
            attempts.append(ctx.attempt)
            if len(attempts) == 1:
                ctx.session.connection().exec_driver_sql(raising(code))
            return gd.Done()

        SCRIPT["start"] = start
        play.commit(play.run(play.one()))

        assert attempts == [0, 0]
        assert play.row(id).status == "done"

    @pytest.mark.parametrize(
        "code", ["55P03", "57014", "25P03", "53400", "25006", "23505", "P0001"]
    )
    def test_what_is_its_own(self, play, code):
        """A lock that it would not wait for, a timeout that it ran into: errors of the step."""
        id = play.actor()
        runs = []

        def start(obj, ctx):
            runs.append(1)
            ctx.session.connection().exec_driver_sql(raising(code))

        SCRIPT["start"] = start
        play.commit(play.run(play.one()))

        assert (len(runs), play.row(id).status) == (1, "failed")

    def test_a_row_that_is_held(self, play, conn):
        """NOWAIT in a step is answered at once, and by its handler."""
        id, held = play.actor(), play.actor(delay=3600)
        SCRIPT["handle"] = lambda error, ctx: gd.Retry(1)

        def start(obj, ctx):
            ctx.session.connection().exec_driver_sql(
                f"SELECT 1 FROM gendurable.instances WHERE id = {held} FOR UPDATE NOWAIT"
            )

        SCRIPT["start"] = start
        with conn.begin():
            play.lock(conn, held)
            play.commit(play.run(play.one()))

        assert (play.row(id).status, play.row(id).attempt) == ("runnable", 1)

    def test_deadlocks_without_end(self, play):
        """After five deadlocks the sixth is an error of the step."""
        id = play.actor()
        runs = []

        def start(obj, ctx):
            runs.append(1)
            ctx.session.connection().exec_driver_sql(raising("40P01"))

        SCRIPT["start"] = start
        play.commit(play.run(play.one()))

        assert (len(runs), play.row(id).status) == (6, "failed")


class TestInACommit:
    @pytest.mark.parametrize("code", ["25006", "57014", "53100", "57P03", "58030"])
    def test_a_database_that_cannot_serve_refuses_nobody(self, play, code):
        """A standby, a timeout, a full disk: no outcome is to blame, and none is lost."""
        id = play.actor()
        end = play.say(play.one(), gd.Done())
        break_updates(play, code)
        with pytest.raises(DBAPIError) as caught:
            play.group(end)
        assert faults.is_lost(caught.value)

        play.change("DROP TRIGGER broken ON gendurable.instances")
        assert play.group(end).ids == [id]

    @pytest.mark.parametrize("code", ["40P01", "40001"])
    def test_a_conflict_is_tried_again(self, play, code, monkeypatch):
        """A commit that had to give way is run again at once."""
        id = play.actor()
        end = play.say(play.one(), gd.Done())
        play.change("CREATE SEQUENCE tries")
        break_updates(play, code, "IF nextval('tries') > 2 THEN RETURN NEW; END IF;")

        assert play.group(end).ids == [id]

    @pytest.mark.parametrize("code", ["22000", "23514", "54000", "P0001"])
    def test_what_the_data_is_to_blame_for(self, play, code):
        """What the data is to blame for goes back to its step."""
        play.actor()
        end = play.say(play.one(), gd.Done())
        break_updates(play, code)

        assert [one for one, _ in play.group(end).refused] == [end]


def break_updates(play, code, unless=""):
    """Let every update of an instance fail with this SQLSTATE."""
    play.change(
        "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" {unless} RAISE EXCEPTION 'as told' USING ERRCODE = '{code}'; END $$"
    )
    play.change(
        "CREATE TRIGGER broken BEFORE UPDATE ON gendurable.instances"
        " FOR EACH ROW EXECUTE FUNCTION broken()"
    )
