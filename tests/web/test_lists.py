"""The lists of instances: every row once, filters, and how to find one."""

from __future__ import annotations

import pytest

from gendurable.queries import browse
from tests.web.conftest import Order, Parcel
from tests.web.reader import ids, walk


class TestLists:
    @pytest.mark.parametrize(
        "status", ["", "runnable", "awaiting_signal", "done", "failed", "key", "rate", "paused"]
    )
    def test_pages_show_every_row_once(self, visitor, fill, status):
        """Page after page a list shows each of its rows, none twice."""
        columns = {"queue": "'q' || n %% 3"} | {
            "": {},
            "awaiting_signal": {"status": f"'{status}'", "awaits": "'{go}'"},
            "failed": {"status": f"'{status}'", "ended_from": "'executing'"},
            "key": {"blocked": "'key'", "concurrency_key": "'k' || n %% 7"},
            "rate": {"blocked": "'rate'", "rate_limit": "'r' || n %% 7"},
            "paused": {"paused_at": "statement_timestamp()"},
        }.get(status, {"status": f"'{status}'"})
        fill(2 * browse.PAGE + 7, **columns)

        seen = walk(visitor, f"/instances?status={status}")

        assert sorted(seen) == list(range(1, 2 * browse.PAGE + 8))

    @pytest.mark.parametrize("status", ["runnable", "awaiting_signal", "paused"])
    def test_of_one_queue(self, visitor, fill, status):
        """A list of one queue shows its rows only, page after page."""
        columns = {
            "runnable": {},
            "awaiting_signal": {"status": f"'{status}'", "awaits": "'{go}'"},
            "paused": {"paused_at": "statement_timestamp()"},
        }[status]
        fill(60, queue="'a'", **columns)
        fill(60, queue="'b'", **columns)

        assert sorted(walk(visitor, f"/instances?status={status}&queue=b")) == list(range(61, 121))

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("fsm=web.Parcel", [2]),
            ("queue=parcels", [2]),
            ("key=order:1", [1]),
            ("step=TAR", [3, 1]),
            ("status=paused", [3]),
            ("status=paused&queue=parcels", []),
            ("status=paused&queue=orders", [3]),
            ("fsm=web.Order&step=send", []),
        ],
    )
    def test_filters(self, visitor, durable, query, expected):
        """A list shows what all its filters let through."""
        durable.insert(Order(), correlation_key="order:17")
        durable.insert(Parcel())
        durable.pause(durable.insert(Order()))

        assert ids(visitor.get(f"/instances?{query}")) == expected

    def test_a_search_goes_on_where_a_window_ended(self, visitor, durable, fill):
        """What lies deeper than one page looks is found by searching further."""
        durable.insert(Order(), correlation_key="needle")
        fill(browse.WINDOW + 50)

        first = visitor.get("/instances?key=needle")
        assert ids(first) == []
        assert "Search further" in first.text
        assert walk(visitor, "/instances?key=needle") == [1]

    @pytest.mark.parametrize("goal", ["1", "order:17"])
    def test_find(self, visitor, durable, goal):
        """An id or a key leads to its instance."""
        durable.insert(Order(), correlation_key="order:17")

        found = visitor.get(f"/instances?find={goal}")

        assert (found.status_code, found.location) == (303, "/instances/1")

    def test_find_nothing(self, visitor):
        """What names no instance is looked for among the beginnings of keys."""
        assert visitor.get("/instances?find=order:").location == "/instances?key=order%3A"

    @pytest.mark.parametrize(
        "query",
        ["status=nonsense", "from=bm9uc2Vuc2U=", "from=WyJ4Il0=", "from=WzFd&status=done"],
    )
    def test_nonsense_is_refused(self, visitor, query):
        """An address that nobody was given is answered with 400, not with a stack trace."""
        assert visitor.get(f"/instances?{query}").status_code == 400

    @pytest.mark.parametrize("number", [10**30, -(10**30), 1e99, True])
    def test_a_place_beyond_the_domain_is_refused(self, visitor, number):
        """A number that the column cannot hold is the visitor's mistake."""
        assert visitor.get("/instances?from=WzFlOTld").status_code == 400
        assert (
            visitor.get(f"/instances?from={'WzEwMDAwMDAwMDAwMDAwMDAwMDAwMDAwXQ=='}").status_code
            == 400
        )
