"""Changing by hand: what is inserted, sent, ended and put back, and what is refused."""

from __future__ import annotations

import pytest

import gendurable as gd


class TestInsert:
    def test_inserts_in_the_state_given(self, cli, app):
        """It prints the id, for whoever goes on with it."""
        id = int(cli("insert", "cli.Order", '{"order": 5}', "-k", "order:5", "-p", "-3").stdout)

        row = app.durable.instance(id)
        assert (row.state["order"], row.correlation_key, row.priority) == (5, "order:5", -3)
        assert row.queue == "orders"

    def test_a_key_that_is_taken(self, cli, data, app):
        """Refused, or answered with the holder."""
        first = data("insert", "cli.Order", '{"order": 5}', "-k", "x")
        assert first == {"id": first["id"], "created": True}

        assert (
            str(first["id"])
            in cli("insert", "cli.Order", '{"order": 6}', "-k", "x", status=1).stderr
        )
        again = data("insert", "cli.Order", '{"order": 6}', "-k", "x", "--return")
        assert again == {"id": first["id"], "created": False}

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["cli.Nothing"], "it has cli.Item, cli.Order"),
            (["cli.Order", "--version", "7"], "no machine cli.Order version 7"),
            (["cli.Order", "{"], "is no JSON"),
            (["cli.Order", "{}"], "cli.Order: order: Field required"),
            (["cli.Order", '{"order": 1}', "-k", ""], "correlation_key"),
        ],
    )
    def test_refuses_what_cannot_be(self, cli, arguments, message):
        """Mistakes of usage, each with what is wrong."""
        assert message in cli("insert", *arguments, status=2).stderr


class TestSignal:
    def test_stores_a_signal(self, cli, app):
        """Once under one key."""
        handle = app.durable.insert(app.Order(order=1), correlation_key="order:1")

        arguments = ("order:1", "go", '{"a": 1}', "--dedup-key", "d")
        assert cli("signal", *arguments).stdout == "stored\n"
        assert cli("signal", *arguments).stdout == "was sent before\n"
        assert handle.instance().status == "runnable"

    def test_refuses_a_payload_that_does_not_fit_its_class(self, cli, app):
        """The step that reads it would fail, and again at each retry; nothing is stored."""
        handle = app.durable.insert(app.Order(order=1))

        refused = cli("signal", handle.id, "cli.fee", '{"amont": 3}', status=2).stderr
        assert "this is no payload of cli.fee: amount: Field required" in refused
        assert cli("signal", handle.id, "cli.fee", '{"amount": 3, "by": "x"}').stdout == "stored\n"

    def test_a_class_without_fields_needs_no_payload(self, cli, app):
        """Its name says it all; one that has fields says which."""
        handle = app.durable.insert(app.Order(order=1))

        assert cli("signal", handle.id, "go").stdout == "stored\n"
        refused = cli("signal", handle.id, "cli.fee", status=2).stderr
        assert "this is no payload of cli.fee: amount: Field required" in refused

    def test_warns_of_a_name_that_no_machine_awaits(self, cli, app):
        """It is stored all the same: a step may look into its inbox."""
        handle = app.durable.insert(app.Order(order=1))

        result = cli("signal", handle.id, "og")
        assert result.stdout == "stored\n"
        assert result.stderr == (
            "stored, but no machine here awaits 'og'; cli.Item awaits never; cli.Order awaits go\n"
        )
        assert cli("signal", handle.id, "go", "{}").stderr == ""

    def test_does_not_warn_where_the_code_cannot_be_read(self, cli, app):
        """What a machine awaits may be known at run time only."""

        class Open(gd.FSM, name="cli.Open"):
            name: str

            @gd.step
            def start(self, ctx: gd.Context) -> gd.Outcome:
                return gd.Await(self.name, then="start")

        app.open = gd.bind(app.durable.engine, fsms=[app.Order, Open])
        handle = app.open.insert(app.Order(order=1))

        assert cli("signal", handle.id, "og", app="open").stderr == ""

    def test_nobody_there(self, cli):
        """Status 1."""
        assert "no live instance" in cli("signal", 99, "go", "{}", status=1).stderr


class TestCancelAndRetry:
    def test_cancels_and_puts_back(self, cli, app):
        """Several at once; who did it and why stands in the history."""
        durable = app.durable
        one, two = durable.insert_all([app.Order(order=1), app.Order(order=2)])

        assert cli("cancel", one.id, two.id, "--by", "ada", "--reason", "no").stdout.splitlines()
        assert durable.instance(one).status == "cancelled"
        assert "put back" in cli("retry", two.id, "--by", "ada").stdout
        assert durable.instance(two).status == "runnable"

    def test_one_that_is_not_there_keeps_nobody_waiting(self, data, app):
        """The others are done; the status says that not all were."""
        handle = app.durable.insert(app.Order(order=1))

        results = data("cancel", 9999, handle.id, status=1)

        assert [one["ok"] for one in results] == [False, True]
        assert "no instance 9999" in results[0]["message"]
        assert app.durable.instance(handle).status == "cancelled"

    def test_retry_of_what_lives_is_refused(self, cli, app):
        """Only failed and cancelled ones."""
        handle = app.durable.insert(app.Order(order=1))
        assert "can be retried" in cli("retry", handle.id, status=1).stderr
