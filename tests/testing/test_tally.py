"""What a test that fails shows of its drain: counts, why instances failed, and what it may lack."""

from __future__ import annotations

import gendurable as gd
from gendurable.testing import drain


class Sieve(gd.Job, max_attempts=1):
    """Fails for negative numbers."""

    number: int

    def perform(self, ctx: gd.Context) -> int:
        """Give the number back."""
        if self.number < 0:
            raise ValueError(f"{self.number} is negative")
        return self.number


def test_shows_the_counts_alone_when_all_is_well(durable, session):
    """Nothing is added to what has not failed."""
    durable.insert(Sieve(number=1), session=session)

    assert repr(drain(durable, session=session)) == "Tally({'done': 1})"
    assert repr(drain(durable, session=session)) == "Tally()"


def test_shows_who_failed_and_why(durable, session):
    """It goes on comparing with a dict."""
    failed = durable.insert(Sieve(number=-1), session=session)
    durable.insert(Sieve(number=2), session=session)

    tally = drain(durable, session=session)

    why = f"Sieve {failed.id} failed at perform: ValueError: -1 is negative"
    assert repr(tally) == f"Tally({{'stop': 1, 'done': 1}}); {why}"
    assert tally == {"stop": 1, "done": 1}


def test_shows_three_failures_and_how_many_more(durable, session):
    """A large family that failed stays readable."""
    durable.insert_all([Sieve(number=-number) for number in range(1, 6)], session=session)

    shown = repr(drain(durable, session=session)).split("; ")

    assert [part.rpartition(" failed ")[0] != "" for part in shown[1:4]] == [True] * 3
    assert shown[4:] == ["2 more failed"]


def test_says_what_a_drain_lacks_that_finds_nothing(durable, session):
    """Whoever forgets the session of the test is told of it."""
    durable.insert(Sieve(number=1), session=session)

    shown = repr(drain(durable))

    assert shown.startswith("Tally(); nothing is due; ")
    assert "session=" in shown
