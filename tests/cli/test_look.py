"""Looking: lists with their filters, one instance with all that belongs to it, the numbers."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from gendurable.testing import drain


def ids(rows: list[dict]) -> list[int]:
    return [row["id"] for row in rows]


@pytest.fixture
def three(app) -> list[int]:
    """Three orders, oldest first; the second waits an hour."""
    durable, Order = app.durable, app.Order
    return [
        int(durable.insert(Order(order=1, city="Bonn"), correlation_key="order:1")),
        int(durable.insert(Order(order=2, city="2"), correlation_key="order:2", delay=3600)),
        int(durable.insert(Order(order=3), queue="rush")),
    ]


class TestLs:
    def test_lists_the_newest_first(self, data, three):
        """With stable keys, and states left out: they may be large."""
        rows = data("ls")

        assert ids(rows) == three[::-1]
        assert rows[2]["fsm"] == "cli.Order"
        assert rows[2]["correlation_key"] == "order:1"
        assert "state" not in rows[0]

    @pytest.mark.parametrize(
        ("options", "found"),
        [
            (["-s", "runnable"], [2, 1, 0]),
            (["-s", "done"], []),
            (["-s", "live"], [2, 1, 0]),
            (["-s", "ended", "-s", "runnable"], [2, 1, 0]),
            (["-f", "cli.Item"], []),
            (["-q", "rush"], [2]),
            (["--step", "start"], [2, 1, 0]),
            (["--step", "end"], []),
            (["-k", "order:2"], [1]),
            (["-k", "order:*"], [1, 0]),
            (["-k", "order_*"], []),
            (["-w", "order=2"], [1]),
            (["-w", "city=2"], [1]),
            (["-w", "city=Bonn", "-w", "order=1"], [0]),
            (["-w", "city=Bonn", "-w", "order=2"], []),
            (["-w", "city.street=x"], []),
            (["--older-than", "1h"], []),
            (["--older-than", "0"], [2, 1, 0]),
        ],
    )
    def test_filters(self, data, three, options, found):
        """By status, machine, queue, key, age and state; several go together."""
        assert ids(data("ls", *options)) == [three[n] for n in found]

    def test_pages_by_id(self, cli, data, three):
        """A full page says how to go on."""
        result = cli("ls", "-n", 2)
        assert f"--before {three[1]}" in result.stderr
        assert ids(data("ls", "--before", three[1])) == [three[0]]

    def test_prints_a_table(self, cli, three):
        """For people: who, where, since when, and until when."""
        lines = cli("ls").stdout.splitlines()
        assert lines[0].split() == [
            "id", "machine", "step", "status", "queue", "age", "due", "key",
        ]  # fmt: skip
        assert "in 1 h" in lines[2] or "in 60 min" in lines[2]

    def test_says_that_there_is_none(self, cli):
        """No table without rows."""
        assert cli("ls", "-s", "failed").stdout == "no such instances\n"

    def test_refuses_a_malformed_filter(self, cli):
        """A mistake in the command is one of usage."""
        assert "should look like" in cli("ls", "-w", "order", status=2).stderr
        assert "should look like" in cli("ls", "--older-than", "soon", status=2).stderr

    def test_says_that_there_is_no_schema(self, cli, app, empty_url):
        """One sentence, no traceback."""
        from sqlalchemy import create_engine

        import gendurable as gd

        app.other = gd.bind(create_engine(empty_url), fsms=[])
        result = cli("ls", app="other", status=1)
        app.other.engine.dispose()
        assert "missing or too old" in result.stderr

    def test_says_that_the_database_is_away(self, cli, app):
        """A refused connection is no crash of the command."""
        from sqlalchemy import create_engine

        import gendurable as gd

        app.away = gd.bind(create_engine("postgresql+psycopg://nobody@127.0.0.1:1/x"), fsms=[])
        assert "does not answer" in cli("ls", app="away", status=1).stderr


class TestShow:
    def test_shows_all_that_belongs_to_an_instance(self, cli, data, app):
        """The row, the inbox, the family and the history."""
        durable = app.durable
        handle = durable.insert(app.Order(order=7), correlation_key="order:7")
        drain(durable, with_scheduled=False)
        handle.signal("go")
        handle.signal("later", {"a": 1})
        drain(durable, with_scheduled=False)

        shown = data("show", "order:7")

        assert shown["id"] == handle.id
        assert shown["state"] == {"order": 7, "city": None}
        assert [one["name"] for one in shown["inbox"]] == ["later"]
        assert [one["status"] for one in shown["children"]] == ["awaiting_signal"] * 2
        assert [one["kind"] for one in shown["history"]] == ["await", "children"]
        printed = cli("show", handle.id).stdout
        assert "awaiting_children" in printed
        assert "cli.Item" in printed
        assert "later" in printed

    def test_says_that_there_is_none(self, cli):
        """Status 1: it is not there."""
        assert "no instance 99" in cli("show", 99, status=1).stderr

    def test_a_key_of_digits_is_written_as_one(self, cli, app):
        """Digits are an id, unless it says otherwise."""
        handle = app.durable.insert(app.Order(order=1), correlation_key="99")
        assert f"id {handle.id}" in " ".join(cli("show", "key:99").stdout.split())


class TestNumbers:
    def test_queues(self, cli, data, three, app):
        """What is due, what is later, who serves it."""
        with app.durable.engine.begin() as conn:
            conn.execute(
                text(
                    "INSERT INTO gendurable.nodes (name, queues, machines)"
                    " VALUES ('w', '{orders,idle}', '[]')"
                )
            )

        rows = {row["queue"]: row for row in data("queues")}

        assert (rows["orders"]["due"], rows["orders"]["later"]) == (1, 1)
        assert (rows["orders"]["workers"], rows["rush"]["workers"]) == (1, 0)
        assert rows["idle"]["due"] == 0
        assert "rush" in cli("queues").stdout

    def test_stats(self, cli, data, three, app):
        """By queue and status, and what has ended."""
        app.durable.cancel(three[0], "no")

        found = data("stats")

        assert found["ended"]["cancelled"] == {"minute": 1, "hour": 1}
        counts = {(one["queue"], one["status"]): one["count"] for one in found["counts"]}
        assert counts[("orders", "cancelled")] == 1
        assert found["workers"] == []
        assert "no workers" in cli("stats").stdout

    def test_stats_marks_the_silent(self, cli, data, app):
        """A worker that was killed stands there for a while, as one that beats no more."""
        with app.durable.engine.begin() as conn:
            conn.execute(
                text(
                    "INSERT INTO gendurable.nodes (name, queues, machines, beat_at) VALUES"
                    " ('dead', '{orders}', '[]', statement_timestamp() - interval '31 s'),"
                    " ('alive', '{orders}', '[]', statement_timestamp() - interval '9 s')"
                )
            )

        workers = {one["name"]: one for one in data("stats")["workers"]}
        shown = {line.split()[0]: line for line in cli("stats").stdout.splitlines() if line}

        assert (workers["dead"]["silent"], workers["alive"]["silent"]) == (True, False)
        assert shown["dead"].endswith(" ago, silent")
        assert shown["alive"].endswith(" ago")
