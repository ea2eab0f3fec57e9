"""What is left of a limit: no slot is given twice, and no token is made out of nothing."""

from __future__ import annotations

import json
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from gendurable.engine.room import NEVER, UNKNOWN, Bucket, Gate

AMOUNTS = st.integers(0, 1000) | st.integers(0, 2**31 - 1)
PERS = st.integers(1, 5_000_000) | st.integers(1, 3_155_760_000_000_000)
BURSTS = st.integers(1, 50) | st.integers(1, 2**31 - 1)
ELAPSED = st.integers(0, 3_000_000) | st.integers(0, 10**15)


class Tap:
    """A bucket as the database keeps it from claim to claim."""

    def __init__(self, amount: int | None, per: int | None, burst: int | None) -> None:
        self.rate = amount, per, burst
        self.level = (burst or 0) * (per or 1)
        self.unit = per or 1
        self.head: int | None = None

    def claim(self, elapsed: int, weights: list[int]) -> list[bool]:
        """Judge rows of these weights, so many microseconds after the last claim."""
        started = []
        bucket = Bucket("r", self.level, self.unit, "now", elapsed, *self.rate)
        for weight in weights:
            started.append(bucket.admits(weight))
            if started[-1]:
                bucket.take(0, weight)
        stored = json.loads(bucket.encode())
        self.level, self.unit, self.head = stored["level"], stored["unit"], stored["head"]
        return started


class TestGate:
    @given(st.integers(0, 40), st.sets(st.integers(0, 60)), st.integers(0, 60))
    def test_gives_the_lowest_free_slots(self, width, taken, wanted):
        """Two claims that see the same slots taken choose the same ones, and so they meet."""
        gate = Gate(width, taken)
        given = []
        while gate.free and len(given) < wanted:
            given.append(gate.take())

        free = sorted(set(range(200)) - taken)
        assert given == free[: min(wanted, max(0, width - len(taken)))]

    @given(st.integers(0, 40), st.sets(st.integers(0, 60)))
    def test_lets_in_as_many_as_its_width(self, width, taken):
        """Those that are in count, also in slots that a wider gate once had."""
        assert Gate(width, taken).free == max(0, width - len(taken))

    def test_may_be_very_wide(self):
        """What a gate costs does not grow with its width."""
        gate = Gate(2**31 - 1, range(5))
        assert [gate.take(), gate.take(), gate.free] == [5, 6, 2**31 - 8]


class TestBucket:
    @given(
        st.integers(0, 200),
        st.integers(1, 5_000_000),
        st.integers(1, 20),
        st.lists(st.tuples(ELAPSED, st.lists(st.integers(1, 20), max_size=8)), max_size=12),
    )
    def test_makes_no_token(self, amount, per, burst, claims):
        """In any span of time no more start than the bucket held and what has flowed in since.

        What weighs more than the bucket holds leaves a debt, and may be ahead by that much once.
        """
        tap = Tap(amount, per, burst)
        now = 0
        grants: list[tuple[int, int]] = []
        for elapsed, weights in claims:
            now += elapsed
            started = tap.claim(elapsed, weights)
            grants += [(now, w) for w, ok in zip(weights, started, strict=True) if ok]

        for n, (begin, _) in enumerate(grants):
            total = 0
            for end, weight in grants[n:]:
                total += weight
                flowed = Fraction((end - begin) * amount, per)
                assert total - max(0, weight - burst) <= burst + flowed

    @given(AMOUNTS, PERS, BURSTS, st.lists(ELAPSED, max_size=6), st.data())
    def test_knows_the_first_instant_at_which_its_head_may_start(
        self, amount, per, burst, waits, data
    ):
        """A microsecond before, there is not enough; at the instant, there is."""
        weights = st.lists(st.integers(1, burst), max_size=4)
        tap = Tap(amount, per, burst)
        for elapsed in waits:
            tap.claim(elapsed, data.draw(weights))
        weight = data.draw(st.integers(1, burst))
        if tap.claim(0, [weight]) == [True]:
            return
        head = tap.head
        assert head is not None
        if head == NEVER:
            return
        assert tap.claim(head - 1, [weight]) == [False]
        assert tap.head == 1
        assert tap.claim(1, [weight]) == [True]

    @given(AMOUNTS, PERS, BURSTS, st.lists(ELAPSED, max_size=8))
    def test_holds_no_more_than_its_burst(self, amount, per, burst, waits):
        """However long nothing is taken; and it is full when its time has come."""
        tap = Tap(amount, per, burst)
        for elapsed in waits:
            tap.claim(elapsed, [1])
            assert tap.level < burst * per or elapsed == 0
        if amount:
            tap.claim(burst * per // amount + 1, [burst])
            assert tap.level <= 0

    @given(PERS, PERS, st.integers(1, 100), st.integers(0, 100))
    def test_keeps_its_tokens_when_the_time_changes(self, old, new, burst, taken):
        """A unit is a share of a token, and their number follows the time; none is made."""
        tap = Tap(0, old, burst)
        tap.claim(0, [1] * min(taken, burst))
        before = Fraction(tap.level, old)
        tap.rate = 0, new, burst
        tap.claim(0, [burst + 1] if tap.level < 0 else [])
        bucket = Bucket("r", tap.level, tap.unit, "now", 0, *tap.rate)
        after = Fraction(json.loads(bucket.encode())["level"], new)

        assert after <= before
        assert before - after < Fraction(1, new)

    @given(st.integers(-(10**30), 10**30), PERS, PERS)
    def test_never_gains_by_a_change(self, level, old, new):
        """A debt is rounded to the debtor's cost as well."""
        bucket = Bucket("r", level, old, "now", 0, 0, new, 2**31 - 1)
        after = json.loads(bucket.encode())["level"]

        assert Fraction(after, new) <= Fraction(level, old)

    def test_owes_what_was_missing(self):
        """A row that weighs more than fits starts at a full bucket, which then is in debt."""
        tap = Tap(1, 1_000_000, 4)
        assert tap.claim(0, [1]) == [True]
        assert tap.claim(0, [10]) == [False]
        assert tap.head == 1_000_000
        assert tap.claim(1_000_000, [10, 1]) == [True, False]
        assert tap.level == -6_000_000
        assert tap.head == 7_000_000

    def test_is_closed_behind_a_head_that_waits(self):
        """Nothing light passes a heavy head in the same claim."""
        assert Tap(1, 1, 5).claim(0, [3, 5, 1, 1]) == [True, False, False, False]

    def test_of_an_unknown_rate_lets_nobody_in(self):
        """It is looked at again in a second; when the rate is there, it is full."""
        tap = Tap(None, None, None)
        tap.level = 10**40
        assert tap.claim(0, [1]) == [False]
        assert tap.head == UNKNOWN
        tap.rate = 0, 60, 3
        assert tap.claim(0, [1, 1, 1, 1]) == [True, True, True, False]
        assert tap.head == NEVER
