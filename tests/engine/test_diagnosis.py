"""The doctor: each invariant that is broken by hand is found, and named with what to do."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import create_engine, text

import gendurable as gd
from gendurable.engine import diagnosis, slowness


class Patient(gd.FSM, name="doctor.Patient"):
    @gd.step
    def start(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Done()


@pytest.fixture
def run(durable):
    """Run SQL that breaks something."""

    def run(sql: str, **values: Any) -> None:
        with durable.engine.begin() as conn:
            conn.execute(text(sql), values)

    return run


def verdicts(durable: gd.Durable, level: str) -> dict[str, slowness.Verdict]:
    return {one.name: one for one in durable.doctor() if one.level == level}


EXECUTE = """
    UPDATE gendurable.instances SET status = 'executing', locked_by = 'w:1:1', slot = :slot,
        concurrency_key = :key, lease_expires_at = statement_timestamp() + interval '30 s'
    WHERE id = :id
"""


class TestDoctor:
    def test_finds_a_sound_database_sound(self, durable):
        """Everything is looked at, and all of it is well."""
        durable.insert(Patient(), delay=60)

        found = durable.doctor()

        assert [one for one in found if one.level != "ok"] == []
        assert {one.name for one in found} == {
            "schema",
            "concurrency keys",
            "signals of the done",
            "barriers",
            "expired leases",
            "claim plan",
            "set aside",
            "queues",
            "dead rows",
            "oldest transaction",
        }

    def test_finds_keys_beyond_their_limit(self, engine, durable, run):
        """One executes unless the binding, or the database, says otherwise."""
        ids = [int(durable.insert(Patient())) for _ in range(4)]
        for slot, id in enumerate(ids):
            run(EXECUTE, id=id, slot=slot % 2, key="two:x" if slot < 2 else "one")

        verdict = verdicts(durable, "violated")["concurrency keys"]

        assert (verdict.count, verdict.example) == (2, ids[0])
        assert "'one' execute, 1 may" in verdict.text or "'two:x' execute, 1 may" in verdict.text
        allowing = gd.bind(engine, concurrency_limits={"two": gd.ConcurrencyLimit(2)})
        assert "'one'" in verdicts(allowing, "violated")["concurrency keys"].text
        allowing.set_limit("one", gd.ConcurrencyLimit(2))
        assert verdicts(allowing, "violated") == {}

    def test_finds_signals_of_the_done(self, durable, run):
        """They lie in an inbox that nobody will read."""
        handle = durable.insert(Patient())
        handle.signal("late")
        run("UPDATE gendurable.instances SET status = 'done'")

        assert verdicts(durable, "violated")["signals of the done"].example == handle.id

    def test_finds_barriers_that_count_wrong(self, durable, run):
        """Too high never opens, too low opens early; a right one is none."""
        parents = [durable.insert(Patient()) for _ in range(3)]
        for parent in parents:
            durable.schedule_children(parent, [Patient(), Patient()])
        run(
            "UPDATE gendurable.instances SET status = 'awaiting_children',"
            " children_pending = 1 + id % 3 WHERE parent_id IS NULL"
        )
        wrong = [int(p) for p in parents if 1 + int(p) % 3 != 2]

        verdict = verdicts(durable, "violated")["barriers"]

        assert (verdict.count, verdict.example) == (2, min(wrong))
        run("UPDATE gendurable.instances SET round = 1 WHERE parent_id IS NULL")
        assert verdicts(durable, "violated")["barriers"].count == 3  # children of another round

    def test_finds_leases_that_nobody_takes_back(self, durable, run):
        """A lease that just ran out is the reaper's; one of long ago is nobody's."""
        id = int(durable.insert(Patient()))
        run(EXECUTE.replace("+ interval '30 s'", "- interval '1 s'"), id=id, slot=None, key=None)
        assert verdicts(durable, "violated") == {}

        run("UPDATE gendurable.instances SET lease_expires_at = now() - interval '1 minute'")

        verdict = verdicts(durable, "violated")["expired leases"]
        assert verdict.example == id
        assert "worker" in (verdict.advice or "")

    def test_finds_a_claim_off_its_index(self, durable, run, monkeypatch):
        """Without its index a claim reads the table; a small one may be read."""
        monkeypatch.setattr(diagnosis, "SMALL", 1)
        run("DROP INDEX gendurable.instances_claim")
        assert verdicts(durable, "violated") == {}  # nothing to claim: nothing to read

        durable.insert_all([Patient() for _ in range(200)])
        run("ANALYZE gendurable.instances")

        assert "reads the whole table" in verdicts(durable, "violated")["claim plan"].text

    def test_warns_of_rows_set_aside(self, durable, run):
        """Each kind with how many, and what to do."""
        durable.insert(Patient())
        run("UPDATE gendurable.instances SET blocked = 'invalid'")

        verdict = verdicts(durable, "warning")["set aside"]

        assert "did not load" in verdict.text
        assert "upgrade-state" in (verdict.advice or "")

    def test_warns_of_tokens_that_never_come(self, durable, run):
        """A limit that nobody configures keeps rows waiting."""
        durable.insert(Patient())
        run("UPDATE gendurable.instances SET rate_limit = 'mail:x', blocked = 'rate'")

        assert "'mail'" in verdicts(durable, "warning")["rate limits"].text

    def test_warns_of_queues_that_nobody_serves(self, durable, run):
        """Work that is due and has no worker."""
        durable.insert(Patient(), queue="lonely")
        run("UPDATE gendurable.instances SET eligible_at = eligible_at - interval '1 minute'")

        assert "'lonely'" in verdicts(durable, "warning")["queues"].text
        run("INSERT INTO gendurable.nodes (name, queues, machines) VALUES ('w', '{lonely}', '[]')")
        assert verdicts(durable, "warning") == {}

    def test_warns_of_dead_rows_that_nobody_removes(self, durable, run, monkeypatch):
        """Between two rounds of autovacuum a busy queue may make as many as it likes."""
        monkeypatch.setattr(slowness, "DEAD", 20)
        monkeypatch.setattr(slowness, "UNSWEPT", 3600.0)  # the server of the tests is younger
        durable.insert_all([gd.Spawn(Patient(), delay=60) for _ in range(10)])
        with durable.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            for _ in range(5):
                conn.execute(text("UPDATE gendurable.instances SET priority = priority + 1"))
            if conn.connection.driver_connection.info.server_version >= 150000:
                conn.execute(text("SELECT pg_stat_force_next_flush()"))
            conn.execute(text("SELECT 1"))

        assert verdicts(durable, "warning") == {}

        monkeypatch.setattr(slowness, "UNSWEPT", 0.0)
        assert "was not vacuumed for" in verdicts(durable, "warning")["dead rows"].text

    def test_warns_of_a_transaction_that_stays_open(self, durable, connect, monkeypatch):
        """It says whose it is."""
        monkeypatch.setattr(slowness, "OLD", 0.0)
        holder = connect()
        holder.execute(text("SELECT 1"))

        verdict = verdicts(durable, "warning")["oldest transaction"]

        assert "session" in verdict.text
        assert "idle in transaction" in verdict.text

    def test_names_a_schema_that_is_missing(self, empty_url):
        """It is the first thing to mend, and all else waits for it."""
        engine = create_engine(empty_url)
        (verdict,) = gd.bind(engine, fsms=[]).doctor()
        engine.dispose()

        assert (verdict.name, verdict.level) == ("schema", "violated")


class TestStats:
    def test_counts_by_queue_and_status(self, durable, run):
        """How many, how old the oldest, how many may start."""
        durable.insert(Patient(), queue="a")
        durable.insert(Patient(), queue="a", delay=60)
        durable.insert(Patient(), queue="b")
        run("UPDATE gendurable.instances SET status = 'done' WHERE queue = 'b'")
        run(
            "UPDATE gendurable.instances SET eligible_at = eligible_at - interval '9 s'"
            " WHERE queue = 'a'"
        )
        run("INSERT INTO gendurable.nodes (name, queues, machines) VALUES ('w', '{a,b}', '[]')")

        stats = durable.stats()

        (a, b) = stats.counts
        assert (a.queue, a.status, a.count, a.due) == ("a", "runnable", 2, 1)
        assert 9 <= a.oldest < 60
        assert (b.queue, b.status, b.count) == ("b", "done", 1)
        assert stats.ended["done"] == (1, 1)
        assert stats.ended["failed"] == (0, 0)
        assert [one.queues for one in stats.workers] == [("a", "b")]
