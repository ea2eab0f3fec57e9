"""All that is measured, in the order in which it is shown."""

from __future__ import annotations

from benchmarks import claims, families, floor, inserts, latency, throughput
from benchmarks.quiet import quiet
from benchmarks.scenario import Scenario
from benchmarks.soak import soak

SCENARIOS = (
    Scenario("floor", "floor: rows claimed and completed", floor.batches, 100_000, 2_000),
    Scenario("jobs", "jobs", throughput.jobs, 100_000, 2_000, floor="floor"),
    Scenario("jobs-2", "jobs, two processes", throughput.jobs_two, 100_000, 2_000, floor="floor"),
    Scenario("steps", "steps of 5-step machines", throughput.steps, 40_000, 2_000, floor="floor"),
    Scenario(
        "steps-2", "the same, two processes", throughput.steps_two, 40_000, 2_000, floor="floor"
    ),
    Scenario("commits", "floor: updates, one a commit", floor.commits, 5_000, 200),
    Scenario(
        "transactions", "floor: insert and update, 10 threads", floor.transactions, 10_000, 500
    ),
    Scenario(
        "rows",
        "steps that write a row each",
        throughput.rows,
        10_000,
        500,
        floor="transactions",
    ),
    Scenario("row", "floor: inserts, one a commit", floor.inserts, 5_000, 200),
    Scenario("insert", "inserts, one a commit", inserts.one, 5_000, 200, floor="row"),
    Scenario("bulk", "floor: inserts, 1,000 a commit", floor.bulk, 100_000, 5_000),
    Scenario("insert-all", "inserts, 1,000 a call", inserts.many, 100_000, 5_000, floor="bulk"),
    Scenario("notified", "floor: NOTIFY to claimed", floor.notified, 200, 20, "ms"),
    Scenario("start", "insert to start", latency.start, 200, 20, "ms", "notified"),
    Scenario(
        "start-loaded", "the same under load", latency.start_loaded, 200, 20, "ms", "notified"
    ),
    Scenario("signal", "signal to resume", latency.signal, 200, 20, "ms", "notified"),
    Scenario(
        "signal-loaded", "the same under load", latency.signal_loaded, 200, 20, "ms", "notified"
    ),
    Scenario("chain", "a chain of ten steps", latency.chain, 100, 10, "ms", "notified"),
    Scenario("fan", "children of a fan-out of 1,000", families.fan, 1_000, 100, floor="floor"),
    Scenario(
        "far-future",
        "jobs beside ten times as many due later",
        throughput.far_future,
        20_000,
        1_000,
        floor="floor",
    ),
    Scenario(
        "saturated",
        "jobs beside as many behind limits",
        throughput.saturated,
        10_000,
        500,
        floor="floor",
    ),
    Scenario("quiet", "WAL a second while 300,000 rows wait", quiet, 300_000, 300, "kB", once=True),
    Scenario(
        "fan-100k",
        "children of a fan-out of 100,000",
        families.fan,
        100_000,
        2_000,
        floor="floor",
        once=True,
        asked=True,
    ),
    Scenario("soak", "jobs for long", soak, 900, 3, floor="floor", once=True, asked=True),
)


def claim_costs(most: int) -> list[Scenario]:
    """Return what a claim costs in tables of ten thousand rows, ten times as many, up to *most*."""
    found: list[Scenario] = []
    rows = 10_000
    while rows <= most:
        base = found[0].name if found else None
        name, title = f"claim-{rows}", f"a claim of 100 in {rows:,} rows"
        found.append(Scenario(name, title, claims.cost, rows, 4_000, "ms", base, once=True))
        rows *= 10
    return found
