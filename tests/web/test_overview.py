"""The overview: counts, throughput, pauses, failures, workers."""

from __future__ import annotations

import re

import pytest

from gendurable.testing import drain
from tests.web.conftest import Order


class TestOverview:
    def test_teaches_when_there_is_nothing(self, visitor):
        """An empty database is answered with what to do next."""
        page = visitor.get("/").text

        assert "gendurable worker" in page
        assert "Nothing has failed" in page

    def test_counts_by_queue(self, visitor, durable, fill):
        """Each queue tells what is ready, what comes later, what is parked and what ended."""
        fill(3, queue="'mail'")
        fill(2, queue="'mail'", eligible_at="statement_timestamp() + interval '1 h'")
        fill(4, queue="'mail'", status="'awaiting_signal'", awaits="'{go}'")
        fill(1, queue="'mail'", blocked="'unknown'")
        fill(30, queue="'mail'", status="'done'")

        row = visitor.get("/").text.split(">mail</a>")[1].split("</tr>")[0]

        cells = dict(re.findall(r'data-label="([^"]+)" class="num"><\w+[^>]*>(\d+)', row))
        assert list(cells) == ["Ready", "Later", "Running", "Parked", "Held back"]
        assert list(cells.values()) == ["3", "2", "0", "4", "1"]
        assert '<span class="rate">6</span>' in row
        assert "no worker serves it" in row

    def test_paused_rows_and_queues(self, visitor, durable, fill):
        """Each queue tells whether it is held, since when, by whom and why; and what is paused."""
        fill(3, queue="'mail'", paused_at="statement_timestamp()")
        fill(2, queue="'mail'", status="'done'", paused_at="statement_timestamp()")
        durable.pause(queue="mail", by="ada", reason="the provider is down")

        row = visitor.get("/").text.split(">mail</a>")[1].split("</tr>")[0]

        assert '<span class="pill paused">Paused</span>' in row
        assert "by ada: the provider is down" in row
        assert '<a class="warn" href="/instances?status=paused&amp;queue=mail">3 instances' in row

    @pytest.mark.parametrize("each", [1, 30, 1_000])
    def test_throughput(self, visitor, fill, each):
        """Throughput is told rightly however much ends: of a busy time only a part is read."""
        fill(
            each * 30,
            queue="CASE WHEN n %% 3 = 0 THEN 'a' ELSE 'b' END",
            status="'done'",
            updated_at=f"statement_timestamp() - n * interval '300 s' / {each * 30}",
        )
        page = visitor.get("/").text
        shown = {
            queue: float(
                page.split(f">{queue}</a>")[1]
                .split('class="rate">')[1]
                .split("<")[0]
                .replace(",", "")
            )
            for queue in "ab"
        }
        assert shown["a"] == pytest.approx(each * 2, rel=0.1)
        assert shown["b"] == pytest.approx(each * 4, rel=0.1)

    def test_counts_stop(self, visitor, fill):
        """A count over a large queue stops, and says that it did."""
        fill(10_050, queue="'big'")
        fill(10_010, queue="'q' || n %% 2", blocked="'key'", concurrency_key="'k'")
        fill(1_010, queue="'aside'", blocked="'unknown'")

        page = visitor.get("/").text

        assert page.count("10,000+") == 2  # the queue, and the total of those that are ready
        assert page.count("5,000+") == 1
        assert page.count("4,900+") == 1  # of 10,010 that wait for keys 10,000 are looked at
        assert page.count("1,000+") == 1

    def test_many_queues_are_counted_less_far(self, visitor, fill):
        """The more groups there are, the sooner a count stops, so that a page stays quick."""
        fill(150 * 30, queue="'q' || n %% 30", priority="n / 30 %% 5")
        fill(1_050, queue="'big'")

        page = visitor.get("/").text

        assert "1,000+" in page
        assert page.count(">150</a>") == 30
        assert "5,500+" in page

    def test_failures_and_workers(self, visitor, durable):
        """What failed lately is listed with its error, and a worker that lives with its queues."""
        id = durable.insert(Order(note="bad"))
        durable.signal(id, "paid")
        drain(durable)
        with durable.worker(queues={"orders": 2}):
            page = visitor.get("/").text

        assert "ValueError: cannot be shipped" in page
        assert 'class="beat alive"' in page
