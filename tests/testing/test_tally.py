"""What a test that fails shows of its drain: counts, why instances failed, and what it may lack."""

from __future__ import annotations

import pytest
from sqlalchemy import text

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
    assert shown[4:] == ["and 2 more"]


def test_says_what_a_drain_lacks_that_finds_nothing(durable, session):
    """Whoever forgets the session of the test is told of it."""
    durable.insert(Sieve(number=1), session=session)

    shown = repr(drain(durable))

    assert shown.startswith("Tally(); nothing is due; ")
    assert "session=" in shown


class Losing(gd.Job):
    """Has its row taken away while it runs."""

    sql: str

    def perform(self, ctx: gd.Context) -> None:
        """Take it away, as somebody else would."""
        with ctx.durable.engine.begin() as conn:
            conn.execute(text(f"{self.sql} WHERE id = :id"), {"id": ctx.id})


FREE = "UPDATE gendurable.instances SET locked_by = NULL, lease_expires_at = NULL, status = "


@pytest.mark.parametrize(
    ("sql", "fate"),
    [
        (f"{FREE} 'done'", "it is done meanwhile"),
        (
            f"{FREE} 'cancelled', ended_from = 'executing', last_error = 'too late'",
            "it is cancelled meanwhile: too late",
        ),
        (
            f"{FREE} 'runnable', visit = 7, eligible_at = 'infinity'",
            "it was moved, and is runnable at perform (visit 7)",
        ),
        (
            "UPDATE gendurable.instances SET locked_by = 'w', claim_seq = claim_seq + 1",
            "w has claimed it meanwhile",
        ),
        ("DELETE FROM gendurable.instances", "it is gone"),
    ],
)
def test_says_who_has_a_row_that_was_lost(durable, session, sql, fate):
    """An outcome that came too late is explained by what has become of its row."""
    job = durable.insert(Losing(sql=sql), session=session)

    shown = repr(drain(durable, with_scheduled=False, session=session))

    assert "'stale': 1" in shown
    assert shown.split("; ")[1] == f"Losing {job.id} lost its row at perform: {fate}"
