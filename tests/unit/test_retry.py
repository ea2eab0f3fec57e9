"""Durations and backoffs: what they are worth in seconds, and what is refused."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

import gendurable as gd
from gendurable.retry import CENTURY, seconds


class TestSeconds:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [(0, 0.0), (1.5, 1.5), (timedelta(minutes=2), 120.0), (CENTURY, CENTURY)],
    )
    def test_takes_timedeltas_and_numbers(self, value, expected):
        """Both spellings of a duration come out as float seconds, up to 100 years."""
        assert seconds(value, "delay") == expected
        assert type(seconds(value, "delay")) is float

    @pytest.mark.parametrize(
        "value",
        [-1, -0.001, timedelta(-1), math.nan, math.inf, CENTURY + 1, 10**400, True, "3", None],
    )
    def test_refuses_what_is_no_duration(self, value):
        """Negative, endless, absurd and foreign values are named in the complaint."""
        with pytest.raises(gd.InvalidOutcome, match="delay="):
            seconds(value, "delay")


class TestBackoff:
    def test_doubles_up_to_its_cap(self):
        """The delay of attempt n is first * factor**n, at most the cap, however late it is."""
        backoff = gd.Backoff(attempts=5, first=2, factor=3, cap=timedelta(seconds=50))

        assert [backoff.delay(n) for n in (0, 1, 2, 3, 1_000_000)] == [2, 6, 18, 50, 50]

    def test_without_a_first_delay_there_is_none(self):
        """first=0 tries again at once, each time."""
        assert gd.Backoff(attempts=5, first=0).delay(100_000) == 0

    def test_jitter_is_the_part_that_is_left_to_chance(self):
        """Delays differ, and lie between what is certain and the whole."""
        backoff = gd.Backoff(attempts=5, first=8, jitter=0.25)
        delays = {backoff.delay(0) for _ in range(100)}

        assert len(delays) > 50
        assert min(delays) >= 6
        assert max(delays) <= 8

    def test_covers_the_errors_it_names(self):
        """Subclasses of a named error are covered, others are not."""
        backoff = gd.Backoff(attempts=2, on=(OSError,))

        assert backoff.covers(TimeoutError())
        assert not backoff.covers(ValueError())

    @pytest.mark.parametrize(
        "wrong",
        [
            {"attempts": 0},
            {"attempts": 2.0},
            {"attempts": True},
            {"attempts": 1, "factor": 0.5},
            {"attempts": 1, "factor": math.nan},
            {"attempts": 1, "first": -1},
            {"attempts": 1, "cap": math.inf},
            {"attempts": 1, "on": ()},
            {"attempts": 1, "on": (KeyboardInterrupt,)},
            {"attempts": 1, "on": "OSError"},
            {"attempts": 1, "jitter": -0.1},
            {"attempts": 1, "jitter": 1.1},
            {"attempts": 1, "jitter": math.nan},
            {"attempts": 1, "jitter": True},
        ],
    )
    def test_refuses_nonsense(self, wrong):
        """A backoff that makes no sense is refused where it is written."""
        with pytest.raises(gd.InvalidInput, match="Backoff"):
            gd.Backoff(**wrong)
