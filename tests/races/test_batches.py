"""Batches: one order of locks, any size, and a bad neighbour that harms nobody else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

import gendurable as gd
from gendurable.engine import enqueue, spawning
from gendurable.errors import InvalidInput, InvalidOutcome
from tests.races.play import SCRIPT, Actor


def keyed(*keys: str) -> list[gd.Spawn]:
    return [gd.Spawn(Actor(), correlation_key=key) for key in keys]


class TestOrderOfKeys:
    def test_two_batches_with_the_same_keys(self, play, conn, other, meanwhile, blocked):
        """Whatever order their keys are given in, two batches wait in one order only."""
        with conn.begin(), other.begin():
            play.durable.insert_all(keyed("a"), session=conn)
            waiting = meanwhile(play.durable.insert_all, keyed("z", "a"), session=other)
            blocked(other)
            assert None not in play.durable.insert_all(keyed("z"), session=conn)
            conn.commit()
            assert [one and one.created for one in waiting.result(10)] == [None, None]

    def test_batches_of_several_statements(
        self, play, conn, other, meanwhile, blocked, monkeypatch
    ):
        """Nor does it matter where a large batch is cut."""
        for module in (enqueue, spawning):
            monkeypatch.setattr(module, "CHUNK", 1)
        with conn.begin(), other.begin():
            play.durable.insert_all(keyed("a"), session=conn)
            waiting = meanwhile(play.durable.insert_all, keyed("z", "a"), session=other)
            blocked(other)
            assert None not in play.durable.insert_all(keyed("z"), session=conn)
            conn.commit()
            assert waiting.result(10) == [None, None]

    def test_the_order_is_that_of_bytes(self, play):
        """Keys are ordered by their bytes, in the database as in Python, whatever the language."""
        keys = ["ä", "b", "A", "a", "Z", "-a", "_b", "10", "9"]
        play.durable.insert_all(keyed(*keys))
        born = play.rows("SELECT correlation_key FROM gendurable.instances ORDER BY ctid")

        assert [row.correlation_key for row in born] == sorted(keys)

    def test_a_flush_inserts_children_before_it_frees_keys(
        self, play, conn, other, meanwhile, blocked
    ):
        """A commit that frees a key and inserts another waits before it holds, not after."""
        play.actor(correlation_key="z")
        play.actor()
        by_key = {one.correlation_key: one for one in play.claim()}
        end = play.say(by_key["z"], gd.Done())
        fan_out = play.say(by_key[None], gd.ScheduleChildren(keyed("a"), then="then"))
        with conn.begin(), other.begin():
            play.durable.insert_all(keyed("a"), session=conn)
            flush = meanwhile(play.commit, end, fan_out, conn=other)
            blocked(other)
            assert play.durable.insert_all(keyed("z"), session=conn) == [None]
            conn.commit()
            assert len(flush.result(10).ids) == 2

    def test_duplicates_inside_a_batch(self, play):
        """The first of several with one key is inserted."""
        made = play.durable.insert_all(keyed("a", "b", "a", "b"))

        assert [one is not None for one in made] == [True, True, False, False]


class TestSize:
    @pytest.mark.slow
    def test_twenty_thousand(self, play):
        """A batch of 20,000 rows, in input order, past every ceiling of parameters."""
        objs = [Actor(note=str(n)) for n in range(20_000)]
        made = play.durable.insert_all(objs)

        notes = dict(play.rows("SELECT id, state->>'note' FROM gendurable.instances"))
        assert [notes[int(one)] for one in made] == [obj.note for obj in objs]


class Refused:
    """Spoils an encoded outcome in ways that only the database can see."""

    @staticmethod
    def nul(finished):
        finished.state = '{"note": "\\u0000"}'

    @staticmethod
    def surrogate(finished):
        finished.state = '{"note": "\\ud800"}'

    @staticmethod
    def number(finished):
        finished.state = '{"note": 1e200000}'

    @staticmethod
    def priority(finished):
        finished.fields["priority"] = 40_000

    @staticmethod
    def step(finished):
        finished.fields["step"] = "s" * 600

    @staticmethod
    def status(finished):
        finished.fields["status"] = "nonsense"


SPOILERS = [Refused.nul, Refused.surrogate, Refused.number, Refused.priority, Refused.step]


class TestBadNeighbour:
    @pytest.mark.parametrize("spoil", [*SPOILERS, Refused.status])
    def test_what_is_refused_stands_alone(self, play, spoil):
        """Of a batch that the database refuses only the culprit fails; it is named."""
        ids = [play.actor() for _ in range(7)]
        batch = [play.say(claim, gd.Next("then")) for claim in play.claim()]
        spoil(batch[4])

        answer = play.group(*batch)

        assert [one for one, _ in answer.refused] == [batch[4]]
        assert isinstance(answer.refused[0][1], DBAPIError)
        assert sorted(answer.ids) == [*ids[:4], *ids[5:]]
        assert play.row(ids[4]).status == "executing"

    def test_a_bad_child(self, play):
        """So does a parent whose child the database refuses, key or no key."""
        ids = [play.actor() for _ in range(3)]
        claims = play.claim()
        batch = [play.say(claims[0], gd.Done()), play.say(claims[1], gd.Done())]
        bad = play.say(claims[2], gd.ScheduleChildren(keyed("k"), then="then"))
        bad.children = [bad.children[0].replace('"priority":0', '"priority":99999')]

        answer = play.group(*batch, bad)

        assert [one for one, _ in answer.refused] == [bad]
        assert answer.ids == ids[:2]

    def test_the_last_word_can_always_be_committed(self, play):
        """What an error says, NUL and surrogates and all, is stored with the failure."""

        def start(obj, ctx):
            raise ValueError("bad \0 \ud800 " + "x" * 100_000)

        SCRIPT["start"] = start
        id = play.actor()
        play.step()

        row = play.row(id)
        assert row.status == "failed"
        assert len(row.last_error) < 20_000

    def test_both_errors_are_kept(self, play):
        """When ``handle`` fails too, the row tells of both errors."""

        def start(obj, ctx):
            raise ValueError("the first")

        def handle(error, ctx):
            raise LookupError("the second")

        SCRIPT.update(start=start, handle=handle)
        id = play.actor()
        play.step()

        row = play.row(id)
        assert row.status == "failed"
        assert "ValueError: the first" in row.last_error
        assert "LookupError: 'the second'" in row.last_error or "the second" in row.last_error

    @pytest.mark.parametrize("answer", [None, "then", 7, gd.Next("nowhere"), Actor])
    def test_nonsense_is_an_error_of_the_step(self, play, answer):
        """What is no outcome, or leads nowhere, fails its own instance."""
        SCRIPT["start"] = lambda obj, ctx: answer
        id = play.actor()
        play.step()

        assert play.row(id).status == "failed"
        assert "InvalidOutcome" in play.row(id).last_error


LONG = [timedelta(days=40), timedelta(days=3653)]


class TestDurations:
    @pytest.mark.parametrize("time", LONG)
    def test_of_delays(self, play, time):
        """A delay of weeks or years is exact, at insert and in outcomes."""
        ids = [play.actor(delay=time), play.actor()]
        play.step(gd.Next("then", delay=time))
        ids.append(play.actor())
        play.step(gd.Retry(time))

        for id in ids:
            row = play.row(id)
            assert row.eligible_at - row.updated_at == time

    @pytest.mark.parametrize("time", LONG)
    def test_of_timeouts(self, play, time):
        """So is a timeout."""
        ids = [play.actor()]
        play.step(gd.Await("go", then="then", timeout=time))
        ids.append(play.actor())
        play.step(gd.ScheduleChildren([Actor()], then="then", timeout=time))

        for id in ids:
            row = play.row(id)
            assert row.deadline - row.updated_at == time

    @pytest.mark.parametrize("time", LONG)
    def test_of_leases_and_retention(self, play, time):
        """And a lease, and the time for which ended rows are kept."""
        from gendurable.engine.retention import sweep

        play.actor()
        (claim,) = play.claim(ttl=time.total_seconds())
        row = play.row(claim.id)
        assert row.lease_expires_at - row.updated_at == time
        play.commit(play.say(claim, gd.Done()))
        kept = dict.fromkeys(("done", "failed", "cancelled"), time.total_seconds())
        with play.engine.begin() as conn:
            assert sweep(conn, play.db, kept, 100) == (0, 0)


class TestLongKeys:
    @pytest.mark.parametrize("option", ["correlation_key", "queue"])
    def test_are_refused_at_once(self, play, option):
        """A key that would not fit an index is refused where it is given."""
        with pytest.raises(InvalidInput):
            play.actor(**{option: "k" * 513})
        with pytest.raises(InvalidInput):
            play.actor(**{option: "\u00e4" * 257})
        play.actor(**{option: "k" * 512})

    def test_in_outcomes_too(self):
        """And so in an outcome."""
        for wrong in ({"concurrency_key": "k" * 513}, {"queue": "k" * 513}):
            with pytest.raises(InvalidOutcome):
                gd.Next("then", **wrong)

    @pytest.mark.parametrize(
        "column", ["correlation_key", "concurrency_key", "queue", "rate_limit", "fsm", "step"]
    )
    @pytest.mark.parametrize("size", [0, 513])
    def test_by_the_table_itself(self, play, column, size):
        """Nor does the table take one, or none, from anybody else, whatever else is null."""
        id = play.actor()
        with pytest.raises(IntegrityError, match="name_has_1_to_512_bytes"):
            play.change(
                f"UPDATE gendurable.instances SET {column} = repeat('k', {size}) WHERE id = :id",
                id=id,
            )
