"""The pages about limits and schedules."""

from __future__ import annotations

import re

import gendurable as gd
from tests.web.conftest import Order


def cells(page: str, name: str) -> list[str]:
    """Return the texts in the row of *name*, cell by cell."""
    row = page.split(f'<strong class="name">{name}</strong>')[1].split("</tr>")[0]
    return [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row.split("</td>")]


class Charge(gd.FSM, name="web.Charge", queue="charges"):
    """A charge, one at a time for each customer."""

    @gd.step(initial=True)
    def charge(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Done()


class TestLimits:
    def test_teach_when_there_are_none(self, visitor):
        """Where nothing is limited the page says how to limit something."""
        assert "concurrency_limits=" in visitor.get("/limits").text

    def test_what_is_in_force(self, visitor, engine):
        """What bindings declare is told, and what hands have set instead."""
        durable = gd.bind(
            engine,
            name="limited",
            concurrency_limits={"stripe": gd.ConcurrencyLimit(7)},
            rate_limits={"mail": gd.RateLimit(100, 60, 20)},
        )
        with durable.worker(queues={"q": 1}):
            pass
        durable.set_limit("stripe", gd.ConcurrencyLimit(2))
        durable.set_limit("fax", gd.ConcurrencyLimit(1))
        page = visitor.get("/limits").text
        durable.notifier.close()

        assert (
            cells(page, "stripe")[0]
            == "of each concurrency key 2 at once changed the code says 7 at once"
        )
        assert cells(page, "mail")[0] == "tokens of each rate key 100 in 1 min, bursts of 20"
        assert (
            cells(page, "fax")[0]
            == "of each concurrency key 1 at once changed the code declares none"
        )

    def test_who_waits(self, visitor, durable, fill, eventually):
        """Each limit tells how many run and wait; the keys that hold others up are listed."""
        durable.set_limit("stripe", gd.ConcurrencyLimit(1))
        durable.set_limit("mail", gd.RateLimit(1, 3600))
        for _ in range(3):
            durable.insert(Charge(), rate_limit="mail:ada")
        with durable.worker(queues={"charges": 2}):
            eventually(lambda: "mail:ada" in visitor.get("/limits").text)
        fill(
            1,
            concurrency_key="'stripe:bob'",
            status="'executing'",
            slot="0",
            locked_by="'w'",
            lease_expires_at="statement_timestamp() + interval '1 min'",
        )
        fill(4, concurrency_key="'stripe:bob'", blocked="'key'")

        page = visitor.get("/limits").text

        assert cells(page, "stripe")[1:3] == ["1", "4"]
        assert cells(page, "mail")[1:3] == ["–", "2"]
        assert re.search(r">stripe:bob</a></th><td class=\"num\">1</td><td class=\"num\">4<", page)
        dry = page.split(">mail:ada</a></th>")[1].split("</tr>")[0]
        assert "in 59 min" in dry or "in 1 h" in dry

    def test_a_key_leads_to_its_place(self, visitor, fill):
        """A key leads into the list of those who wait, to where its own begin."""
        fill(60, concurrency_key="'k:a'", blocked="'key'")
        fill(2, concurrency_key="'k:b'", blocked="'key'")
        link = re.search(r'href="([^"]+)">k:b</a>', visitor.get("/limits").text)[1]

        page = visitor.get(link.replace("&amp;", "&")).text
        assert re.findall(r'class="id"><a href="/instances/(\d+)"', page) == ["61", "62"]

    def test_counts_stop(self, visitor, durable, fill):
        """Of very many that wait a part is counted, and the page says so."""
        durable.set_limit("k", gd.ConcurrencyLimit(1))
        fill(10_100, concurrency_key="'k:' || n %% 60", blocked="'key'")

        page = visitor.get("/limits").text

        assert cells(page, "k")[2] == "10,000 +"
        assert "The first 50 keys" in page


class TestSchedules:
    def test_teach_when_there_are_none(self, visitor):
        """Where nothing is started by the clock the page says how to."""
        assert "durable.schedule(" in visitor.get("/schedules").text

    def test_how_they_stand(self, visitor, durable):
        """A schedule tells its times, when next, what it inserted last, and what holds it."""
        durable.schedule(
            "nightly", Order(), cron="0 3 * * *", timezone="Europe/Berlin", overlap="skip"
        )
        durable.schedule("hourly", Order(), cron="0 * * * *")
        id = durable.trigger("nightly")
        durable.pause_schedule("hourly")
        durable.edit_schedule("hourly", cron="30 * * * *")

        page = visitor.get("/schedules").text

        nightly, hourly = cells(page, "nightly"), cells(page, "hourly")
        assert nightly[0] == "missed: latest, overlap: skip 0 3 * * * Europe/Berlin"
        assert re.fullmatch(r"in \d+ (s|min|h)( \d+ (s|min))?", nightly[1])
        assert nightly[2:] == [f"by hand {int(id)}", "0", "0", ""]
        assert f"/instances/{int(id)}" in page
        assert hourly[0] == "Paused missed: latest, overlap: allow 30 * * * * changed UTC"
        assert hourly[1] == "–"

    def test_what_keeps_one(self, visitor, durable, engine):
        """A schedule that cannot fire says why."""
        durable.schedule("nightly", Order(), cron="0 3 * * *")
        durable.trigger("nightly")
        with engine.begin() as conn:
            conn.exec_driver_sql("UPDATE gendurable.schedules SET error = 'no such <zone>'")

        assert '<span class="error">no such &lt;zone&gt;</span>' in visitor.get("/schedules").text
