"""Limits by hand: listed, overridden on every node, and given back to the bindings."""

from __future__ import annotations

import pytest

import gendurable as gd


class TestLimits:
    def test_overrides_and_resets(self, cli, data):
        """What is set is listed with where it comes from, and gone when it is reset."""
        assert "knows no limits" in cli("limits").stdout

        (one,) = data("limits", "stripe", "--at-once", 5)
        assert (one["kind"], one["name"], one["source"], one["amount"]) == (
            "key",
            "stripe",
            "override",
            5,
        )
        data("limits", "mail", "--rate", 100, "--per", "1m", "--burst", 20)
        rate = {one["name"]: one for one in data("limits")}["mail"]
        assert (rate["kind"], rate["amount"], rate["burst"]) == ("rate", 100, 20)
        assert "60 s" in cli("limits").stdout

        assert data("limits", "stripe", "--reset") == []

    def test_a_reset_that_leaves_others(self, cli):
        """It speaks of the one that was reset, and not of all."""
        cli("limits", "bank", "--at-once", 5)
        cli("limits", "api", "--at-once", 5)

        assert "'bank' is reset" in cli("limits", "bank", "--reset").stdout
        assert "api" in cli("limits").stdout

    def test_a_reset_of_one_that_is_not_there(self, cli, app, engine):
        """It says which there are; what this binding declares is there before any worker."""
        app.shy = gd.bind(engine, concurrency_limits={"bank": gd.ConcurrencyLimit(3)}, fsms=[])

        said = cli("limits", "nosuch", "--reset", status=1).stderr
        assert "there is no limit 'nosuch'; there are none" in said
        said = cli("limits", "nosuch", "--reset", app="shy", status=1).stderr
        assert "there is no limit 'nosuch'; there are bank" in said
        assert "'bank' is reset" in cli("limits", "bank", "--reset", app="shy").stdout
        app.shy.notifier.close()

    def test_one_that_is_not_there(self, cli):
        """It says which there are."""
        cli("limits", "bank", "--at-once", 5)
        cli("limits", "api", "--at-once", 5)

        said = cli("limits", "nosuch", status=1).stderr
        assert "there is no limit 'nosuch'; there are api, bank" in said

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--at-once", 5],
            ["x", "--at-once", 5, "--reset"],
            ["x", "--per", "1m"],
            ["a:b", "--reset"],
        ],
    )
    def test_refuses_what_makes_no_sense(self, cli, arguments):
        """A mistake of usage."""
        cli("limits", *arguments, status=2)
