"""Limits by hand: listed, overridden on every node, and given back to the bindings."""

from __future__ import annotations

import pytest


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
