"""What the dashboard reads costs the same on a full table as on an empty one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

import gendurable as gd
from benchmarks.pages import PAGES, fill, open_page
from gendurable.queries import browse, overview
from gendurable.testing.databases import database
from gendurable.web import dashboard
from tests.perf.test_plans import VALUES, both, plan

ROWS = 100_000

INDEXES = {
    "all": "instances_pkey",
    "runnable": "instances_claim",
    "runnable_in": "instances_claim",
    "executing": "instances_lease",
    "awaiting_signal": "instances_parked",
    "awaiting_signal_in": "instances_parked",
    "awaiting_children": "instances_parked",
    "awaiting_children_in": "instances_parked",
    "done": "instances_ended",
    "failed": "instances_ended",
    "cancelled": "instances_ended",
    "paused": "instances_paused",
    "paused_in": "instances_paused",
    "key": "instances_wait",
    "rate": "instances_rate",
    "aside": "instances_aside",
    "children": "instances_parent",
}
#: The lists here that are longer than what a page looks at; a shorter one may as well be sorted.
LONG = {"all", "done"}
OTHERS = {
    "overview.groups": {"instances_claim", "instances_parked", "instances_paused"},
    **{f"overview.lanes_{cap}": {"instances_claim"} for cap in overview.CAPS},
    **{f"overview.parked_{cap}": {"instances_parked"} for cap in overview.CAPS},
    **{f"overview.paused_{cap}": {"instances_paused"} for cap in overview.CAPS},
    "overview.running": {"instances_lease"},
    "overview.blocked": {"instances_wait", "instances_rate", "instances_aside"},
    "traffic.ended": {"instances_ended"},
    "traffic.standing": {"instances_claim", "instances_lease", "instances_parked"},
    "traffic.own_ways": {"transitions_instance", "instances_pkey"},
    "traffic.all_ways": {"transitions_pkey", "instances_pkey"},
    "gatekeeping.use": {"instances_slot", "instances_wait", "instances_rate"},
    "gatekeeping.behind": {"instances_slot", "instances_wait"},
    "gatekeeping.dry": {"instances_rate", "buckets_pkey"},
    "details.row": {"instances_pkey"},
    "details.inbox": {"signals_target"},
    "details.history": {"transitions_instance"},
    "details.children": {"instances_parent"},
    "details.census": {"instances_parent"},
    "details.ancestors": {"instances_pkey"},
}
#: Those that touch no row of the table.
ONLY_INDEXES = {
    *(f"overview.{name}_{cap}" for name in ("lanes", "parked", "paused") for cap in overview.CAPS),
    "overview.groups",
    "gatekeeping.use",
    "gatekeeping.behind",
}
STARTS = {
    f"from_{c.name}": value
    for walk in browse.WALKS.values()
    for c, value in zip(walk.order, walk.start, strict=True)
}
FILTERS = {"by_fsm": "Crowd", "by_queue": "", "by_key": "", "by_step": ""}
VALUES.update(STARTS | FILTERS | {"machine": "Crowd", "before": 2**62, "in_queue": "queue1"})


@pytest.fixture(scope="module")
def crowd(gendurable_server: str, template: str) -> Iterator[Connection]:
    """A connection to a database with 100,000 instances."""
    with database(gendurable_server, f"browsed_{os.getpid()}", template) as url:
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as conn:
            fill(conn, ROWS)
            yield conn
        engine.dispose()


class TestPlans:
    @both
    @pytest.mark.parametrize("kind", ["", "_edge"])
    @pytest.mark.parametrize("name", sorted(INDEXES))
    def test_a_list_follows_its_index(self, crowd, name, kind, mode):
        """No list reads the table from end to end; a long one is not sorted, but read in order."""
        nodes = plan(crowd, f"browse.{name}{kind}", mode)

        assert "Seq Scan" not in [node["Node Type"] for node in nodes]
        assert {n["Index Name"] for n in nodes if "Index Name" in n} == {INDEXES[name]}
        if name in LONG:
            assert "Sort" not in [node["Node Type"] for node in nodes]

    @both
    @pytest.mark.parametrize("name", sorted(OTHERS))
    def test_so_does_everything_else(self, crowd, name, mode):
        """Counts, families and histories are read by their indexes, too."""
        nodes = plan(crowd, name, mode)

        scanned = [n["Relation Name"] for n in nodes if n["Node Type"] == "Seq Scan"]
        assert "instances" not in scanned
        assert {n["Index Name"] for n in nodes if "Index Name" in n} <= OTHERS[name]

    @both
    @pytest.mark.parametrize("name", sorted(ONLY_INDEXES))
    def test_counts_touch_no_row(self, crowd, name, mode):
        """What is counted up to 10,000 stands in the index: the rows are left where they are."""
        nodes = plan(crowd, name, mode)

        read = [n["Node Type"] for n in nodes if n.get("Relation Name") == "instances"]
        assert read
        assert set(read) == {"Index Only Scan"}
        for limit in (n for n in nodes if n["Node Type"] == "Limit"):
            assert "Sort" not in [below["Node Type"] for below in limit["Plans"]]


class TestPages:
    @pytest.mark.parametrize("path", PAGES)
    def test_are_quick(self, crowd, path):
        """A page takes a tenth of a second at most, whatever it looks for."""
        engine = create_engine(crowd.engine.url)
        app = dashboard(gd.bind(engine))
        times = [open_page(app, path) for _ in range(6)]
        engine.dispose()

        assert min(times) < 0.1
