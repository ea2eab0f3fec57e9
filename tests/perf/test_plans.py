"""Every hot statement uses the index that it names, also when nothing ran while it was analysed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from gendurable.testing.databases import database
from tests.queries.statements import all_statements

STATEMENTS = all_statements()

#: 50,000 rows that a claim has nothing to do with, analysed while nothing runs; then work comes.
CROWD = """
    INSERT INTO gendurable.instances (fsm, step, state, status, awaits, eligible_at, parent_id,
        parent_round, ended_from)
    SELECT 'Crowd', 's', '{}',
        (ARRAY['done', 'failed', 'awaiting_signal', 'runnable'])[n %% 4 + 1]::gendurable.status,
        CASE WHEN n %% 4 = 2 THEN '{go}'::text[] END,
        statement_timestamp() + CASE WHEN n %% 4 = 3 THEN interval '1 day' ELSE interval '0' END,
        NULL, NULL, CASE WHEN n %% 4 = 1 THEN 'executing'::gendurable.status END
    FROM generate_series(1, 50000) n;
    INSERT INTO gendurable.signals (target_id, name, dedup_key)
    SELECT id, 'other', id::text FROM gendurable.instances;
    INSERT INTO gendurable.transitions (instance_id, kind, step, attempt, visit)
    SELECT id, 'stop', 's', 0, 0 FROM gendurable.instances;
    INSERT INTO gendurable.limits (kind, name, source, amount, per_us, burst)
    VALUES ('key', 'gate', 'binding', 3, NULL, NULL), ('rate', 'rate', 'binding', 1, 60000000, 5);
    ANALYZE;
    INSERT INTO gendurable.instances (fsm, step, state, priority, correlation_key,
        correlation_scope)
    SELECT 'Work', 's', '{}', n %% 5, 'key:' || n, 'live' FROM generate_series(1, 2000) n;
    UPDATE gendurable.instances SET status = 'executing', locked_by = 'w', claim_seq = 1,
        lease_expires_at = statement_timestamp() + interval '30 s'
    WHERE fsm = 'Work' AND id %% 4 = 0;
    INSERT INTO gendurable.instances (fsm, step, state, blocked, concurrency_key)
    SELECT 'Held', 's', '{}', 'key', 'gate:' || n %% 500 FROM generate_series(1, 5000) n;
    INSERT INTO gendurable.instances (fsm, step, state, blocked, rate_limit)
    SELECT 'Dry', 's', '{}', 'rate', 'rate:' || n %% 500 FROM generate_series(1, 5000) n;
    INSERT INTO gendurable.buckets (key, level, per_us, at, head_at, amount, burst)
    SELECT 'rate:' || n, 0, 60000000, statement_timestamp(), CASE WHEN n < 500 THEN
        statement_timestamp() + (n - 5) * interval '1 s' END, 1, 5 FROM generate_series(1, 50000) n;
"""

IDS = "{" + ",".join(str(id) for id in range(50_004, 50_404, 4)) + "}"
CLAIMS = json.dumps([{"id": id, "claim_seq": 1} for id in range(50_004, 50_404, 4)])
BATCH = json.dumps(
    [
        {"id": id, "claim_seq": 1, "status": "done", "step": "s", "state": {}, "worker": "w"}
        for id in range(50_004, 50_404, 4)
    ]
)
UNSAID = (
    *("fsm_version", "result", "last_error", "crashes", "queue", "priority", "delay", "awaits"),
    *("timeout", "timed_out", "concurrency_key", "rate_limit", "weight", "round", "quorum"),
    *("pending", "ended_from", "ahead"),
)
VALUES: dict[str, object] = {
    "in_queue": "default",
    "up_to": 100,
    "worker": "w",
    "ttl": 30.0,
    "ids": IDS,
    "presented": "{}",
    "batch": BATCH,
    "claims": CLAIMS,
    "target": 50_010,
    "signal": "go",
    "body": "null",
    "dedup": "d",
    "word": "{}",
    "grace": 1.0,
    "seq": 1,
    "parent": 7,
    "in_round": 1,
    "more": 1,
    "undone": 0,
    "to_step": "t",
    "to_state": "{}",
    "to_version": 1,
    "stays": "false",
    "alive": 30.0,
    "of_key": "k",
    "after": 0,
    "barriers": json.dumps([{"parent_id": 7, "round": 1, "ended": 1, "done": 1}]),
    "rows": json.dumps([{"id": 50_004, "error": "x", "delay": 1}]),
    "pending": 0,
    "ended_well": 0,
    "retention": 86_400.0,
    "after_time": "2000-01-01",
    "after_id": 0,
    "keys": "{key:1}",
    "spent": 0,
    "why": "unknown",
    "old": json.dumps([{"fsm": "Work", "fsm_version": 0}]),
    "new": json.dumps([{"id": 50_004, "fsm_version": 1, "step": "s", "state": {}}]),
    "new_id": 50_004,
    "new_claim_seq": 1,
    "new_status": "done",
    "new_step": "s",
    "new_state": "{}",
    "new_attempt": 0,
    "new_visit": 1,
    **dict.fromkeys(f"new_{name}" for name in UNSAID),
    "known": json.dumps([{"fsm": "Work", "fsm_version": 1, "step": "s"}]),
    "moved": "{rate:0,rate:1,rate:2}",
}
VALUES["verdicts"] = json.dumps(
    [{"id": id, "starts": False, "slot": None, "blocked": "key"} for id in range(52_004, 52_104)]
)
SPENT = json.dumps(
    [
        {"key": f"rate:{n}", "level": 1, "unit": 60_000_000, "used": "2026-01-01", "head": None}
        for n in range(10)
    ]
)
#: What other statements mean by the same name.
OTHERS: dict[str, dict[str, object]] = {
    "signals.deliver_by_key": {"target": "key:10"},
    "lookup.by_key": {"target": "key:10"},
    "limits.gates": {"keys": json.dumps([{"key": f"gate:{n}"} for n in range(10)])},
    "limits.look": {"keys": json.dumps([{"key": f"gate:{n}"} for n in range(10)])},
    "buckets.open": {"keys": json.dumps([{"key": f"rate:{n}"} for n in range(10)])},
    "buckets.read": {"keys": json.dumps([{"key": f"rate:{n}"} for n in range(10)])},
    "buckets.spend": {"buckets": SPENT},
}

#: The hot statements, and the indexes of ``instances`` and ``signals`` that their plans may use.
INDEXES = {
    "claim.claim": {"instances_claim", "instances_pkey", "signals_target", "pauses_open"},
    "outcomes.lock": {"instances_pkey"},
    "outcomes.lock_waiting": {"instances_pkey"},
    "outcomes.look": {"instances_pkey"},
    "outcomes.write": {"instances_pkey", "signals_target", "pauses_open"},
    "outcomes.write_one": {"instances_pkey", "signals_target", "pauses_open"},
    "outcomes.empty": {"signals_target"},
    "signals.deliver": {"instances_pkey"},
    "signals.deliver_by_key": {"instances_correlation", "instances_pkey"},
    "signals.inboxes": {"signals_target"},
    "signals.senders": {"signals_pkey"},
    "signals.consume": {"signals_pkey"},
    "retention.tidy": {"signals_pkey", "instances_pkey"},
    "signals.recheck": {"instances_pkey", "signals_target", "signals_dedup"},
    "leases.extend": {"instances_pkey"},
    "leases.release": {"instances_pkey"},
    "deaths.expired": {"instances_lease"},
    "deaths.reap": {"instances_pkey"},
    "leases.exchange": {"instances_pkey"},
    "leases.take_back": {"instances_aside", "instances_pkey"},
    "children.count": {"instances_pkey"},
    "children.page": {"instances_parent"},
    "children.join_round": {"instances_pkey"},
    "children.recount": {"instances_parent"},
    "control.cancel": {"instances_pkey"},
    "control.live_children": {"instances_parent"},
    "pauses.pause": {"instances_pkey"},
    "pauses.resume": {"instances_pkey"},
    "pauses.unblock": {"instances_wait", "instances_rate", "instances_pkey"},
    "edits.read": {"instances_pkey"},
    "edits.rewind": {"instances_pkey"},
    "edits.patch": {"instances_pkey"},
    "explain.look": {"instances_pkey", "pauses_open"},
    "explain.holders": {"instances_slot"},
    "explain.round": {"instances_parent"},
    "explain.paused_by": {"transitions_instance", "transitions_pkey"},
    "timers.fire": {"instances_deadline", "instances_pkey"},
    "timers.next": {"instances_deadline", "instances_lease"},
    "lookup.by_id": {"instances_pkey"},
    "lookup.by_key": {"instances_correlation"},
    "lookup.standings": {"instances_pkey"},
    "enqueue.holders": {"instances_correlation"},
    "gauges.queues": {
        "instances_claim",
        "instances_lease",
        "instances_wait",
        "instances_rate",
        "instances_aside",
    },
    "retention.overdue_done": {"instances_ended", "instances_pkey"},
    "retention.delete": {"instances_pkey"},
    "claim.admit": {"instances_pkey"},
    "limits.gates": {"instances_slot", "instances_wait"},
    "limits.look": {"instances_slot", "instances_wait", "instances_pkey"},
    "limits.sweep": {"instances_slot", "instances_wait"},
    "buckets.read": {"instances_rate", "instances_pkey", "instances_slot", "buckets_pkey"},
    "buckets.spend": {"instances_rate", "buckets_pkey"},
    "heads.ripe": {
        "instances_rate",
        "instances_pkey",
        "instances_slot",
        "buckets_head",
        "buckets_pkey",
    },
    "heads.soon": {"buckets_head"},
    "heads.stir": {"buckets_head", "buckets_pkey"},
    "heads.reckon": {"buckets_pkey", "buckets_head"},
    "heads.awaited": {"instances_rate"},
    "buckets.forget": {"buckets_at", "buckets_pkey"},
    "crowds.mark_keys": {"instances_claim", "instances_slot", "instances_pkey"},
    "crowds.mark_rates": {"instances_claim", "instances_pkey", "buckets_pkey", "buckets_head"},
    "survey.states": {"instances_pkey"},
    "survey.adoptable": {"instances_pkey"},
    "survey.adopt": {"instances_pkey"},
}
#: What a worker does most of the time: with little to do.
FEW = {
    "in_queue": "rare",
    "up_to": 1,
    "ids": "{50004}",
    "presented": "{1}",
    "batch": "[]",
    "claims": "[]",
    "rows": "[]",
    "verdicts": "[]",
}
#: What runs so seldom that how long it takes to plan it is no matter.
SELDOM = {
    "buckets.forget",
    "crowds.mark_keys",
    "crowds.mark_rates",
    "retention.overdue_done",
    "retention.tidy",
    "survey.adoptable",
    "survey.states",
}
#: Tables that have so few rows that a scan is right.
SMALL = {"nodes", "limits", "pauses"}


@pytest.fixture(scope="module")
def crowded(gendurable_server: str, template: str) -> Iterator[Connection]:
    """A connection to a database with 50,000 idle rows, and statistics of nothing else."""
    with database(gendurable_server, f"crowded_{os.getpid()}", template) as url:
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as conn:
            for statement in CROWD.split(";\n"):
                conn.exec_driver_sql(statement)
            yield conn
        engine.dispose()


def plan(conn: Connection, name: str, mode: str) -> list[dict]:
    """Return the nodes of the plan of a prepared statement, the ones above first."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    body = re.sub(r"%\((\w+)\)s", number, STATEMENTS[name].sql()).replace("%%", "%")
    values = VALUES | OTHERS.get(name, {})
    driver = conn.connection.driver_connection
    cursor = driver.cursor()
    cursor.execute(f"SET plan_cache_mode = {mode}")
    cursor.execute(f"PREPARE hot AS {body}")
    try:
        listed = ", ".join(_quoted(values[one]) for one in names)
        arguments = f"({listed})" if listed else ""
        cursor.execute(f"EXPLAIN (FORMAT JSON) EXECUTE hot{arguments}")
        return list(_nodes(cursor.fetchone()[0][0]["Plan"]))
    finally:
        cursor.execute("DEALLOCATE hot")


def _quoted(value: object) -> str:
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


def _nodes(node: dict, inputs_only: bool = False) -> Iterator[dict]:
    """Yield a node and those below it, with or without what is computed aside, like CTEs."""
    yield node
    for child in node.get("Plans", ()):
        if not inputs_only or child["Parent Relationship"] in ("Outer", "Inner", "Subquery"):
            yield from _nodes(child, inputs_only)


both = pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])


@both
@pytest.mark.parametrize("name", sorted(INDEXES))
def test_uses_its_index(crowded, name, mode):
    """No hot statement reads the tables of instances or signals from end to end."""
    nodes = plan(crowded, name, mode)

    scanned = [n for n in nodes if n["Node Type"] == "Seq Scan"]
    assert {n["Relation Name"] for n in scanned} <= SMALL
    used = {n["Index Name"] for n in nodes if "Index Name" in n} - {"nodes_pkey", "limits_pkey"}
    assert used, f"{name} uses no index"
    assert used <= INDEXES[name]


@both
@pytest.mark.parametrize("name", ["outcomes.write", "leases.extend", "leases.release"])
def test_is_driven_from_the_batch(crowded, name, mode):
    """A batch looks its rows up one by one; no join reads more of the table than it needs."""
    nodes = plan(crowded, name, mode)

    for node in nodes:
        if node["Node Type"] in ("Hash Join", "Merge Join"):
            below = {n.get("Relation Name") for n in _nodes(node) if n is not node}
            reads = [
                n for n in _nodes(node) if n.get("Relation Name") == "instances" and not _by_row(n)
            ]
            assert not reads, f"{node['Node Type']} over {below}"
    lookups = [n for n in nodes if n.get("Index Name") == "instances_pkey"]
    assert lookups
    assert all(_by_row(n) for n in lookups)


@both
@pytest.mark.parametrize("name", ["crowds.mark_keys", "crowds.mark_rates"])
def test_a_crowd_is_not_read_for_each_of_its_rows(engine, name, mode):
    """Where statistics saw only what is done, the claim's index looks empty, and is not."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        for statement in (SOME_DONE, "ANALYZE gendurable.instances", MANY_WAITING):
            conn.exec_driver_sql(statement)
        nodes = plan(conn, name, mode)

    reads = [n for n in nodes if n.get("Index Name") == "instances_claim"]
    assert reads
    assert all(re.search(r"queue(\)::text)? = ", n.get("Index Cond", "")) for n in reads)


SOME_DONE = """
    INSERT INTO gendurable.instances (fsm, step, state, status)
    SELECT 'F', 's', '{}', 'done' FROM generate_series(1, 50)"""
MANY_WAITING = """
    INSERT INTO gendurable.instances (fsm, step, state, concurrency_key, rate_limit)
    SELECT 'F', 's', '{}', 'k', 'r' FROM generate_series(1, 300)"""


def _by_row(node: dict) -> bool:
    """Whether a node reads a row of the table by its id."""
    return "id = " in node.get("Index Cond", "") or node.get("Operation") == "Update"


@both
def test_a_claim_asks_once_whether_its_queue_is_held(crowded, mode):
    """The answer is computed aside, before anything is read, and not for each row."""
    nodes = plan(crowded, "claim.claim", mode)

    asked = [n for n in nodes if n.get("Relation Name") == "pauses"]
    assert [n["Parent Relationship"] for n in asked] == ["InitPlan"]


@both
def test_a_claim_sorts_nothing_but_its_batch(crowded, mode):
    """The index gives the order: what is sorted is what was claimed, never the table."""
    nodes = plan(crowded, "claim.claim", mode)

    for node in nodes:
        if "Sort" in node["Node Type"]:
            below = list(_nodes(node, inputs_only=True))
            assert not [n for n in below if n.get("Relation Name") == "instances"]
    assert len([n for n in nodes if n.get("Index Name") == "instances_claim"]) >= 3


@pytest.mark.parametrize("name", sorted(INDEXES.keys() - SELDOM))
def test_is_not_planned_again_and_again(crowded, name):
    """The server settles on one plan for any values, few or many, after it has tried five times."""
    driver = crowded.connection.driver_connection
    assert driver is not None
    values = VALUES | FEW | OTHERS.get(name, {})
    with driver.cursor() as cursor, driver.transaction(force_rollback=True):
        cursor.execute("RESET plan_cache_mode")
        cursor.execute("DEALLOCATE ALL")
        for _ in range(8):
            cursor.execute(STATEMENTS[name].sql(), values, prepare=True)
        ((plans,),) = cursor.execute("SELECT custom_plans FROM pg_prepared_statements").fetchall()

    assert plans <= 5


def test_a_claim_from_a_large_queue_is_not_planned_again(engine):
    """Nor where the first claims are from a queue with half of the rows and many priorities."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql(SKEWED)
        conn.exec_driver_sql("ANALYZE gendurable.instances")
        driver = conn.connection.driver_connection
        values = {"in_queue": "large", "up_to": 1, "worker": "w", "ttl": 30.0}
        with driver.cursor() as cursor:
            for _ in range(8):
                cursor.execute(STATEMENTS["claim.claim"].sql(), values, prepare=True)
            cursor.execute("SELECT custom_plans FROM pg_prepared_statements")
            ((plans,),) = cursor.fetchall()

    assert plans <= 5


SKEWED = """
    INSERT INTO gendurable.instances (fsm, step, state, queue, priority)
    SELECT 'F', 's', '{}', CASE WHEN n %% 2 = 0 THEN 'large' ELSE 'q' || n %% 999 END, n %% 100
    FROM generate_series(1, 20000) n"""


def test_a_claim_reads_few_pages(crowded):
    """An empty claim on a crowded table touches a handful of pages."""
    text = STATEMENTS["claim.claim"].sql()
    values = {"in_queue": "nobody", "up_to": 100, "worker": "w", "ttl": 30.0}
    rows = crowded.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}", values)
    top = rows.scalar_one()[0]["Plan"]

    assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] < 50


def test_a_claim_wades_through_no_backlog(crowded):
    """Rows due later at a more urgent priority cost a claim one descent, not a scan."""
    text = STATEMENTS["claim.claim"].sql()
    values = {"in_queue": "default", "up_to": 10, "worker": "w", "ttl": 30.0}
    with crowded.engine.execution_options(isolation_level="READ COMMITTED").connect() as conn:
        rows = conn.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}", values)
        top = rows.scalar_one()[0]["Plan"]
        conn.rollback()

    assert top["Actual Rows"] == 10
    assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] < 500


def test_a_claim_does_not_see_those_that_wait(crowded):
    """20,000 rows that wait behind one busy key cost an empty claim nothing."""
    crowded.exec_driver_sql(
        "INSERT INTO gendurable.instances (fsm, step, state, queue, blocked, concurrency_key)"
        " SELECT 'Held', 's', '{}', 'held', 'key', 'busy' FROM generate_series(1, 20000)"
    )
    text = STATEMENTS["claim.claim"].sql()
    values = {"in_queue": "held", "up_to": 100, "worker": "w", "ttl": 30.0}
    rows = crowded.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}", values)
    top = rows.scalar_one()[0]["Plan"]

    assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] < 50
