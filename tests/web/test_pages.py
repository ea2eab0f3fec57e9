"""What the pages show, as the server makes them."""

from __future__ import annotations

import base64
import re

import pytest
from sqlalchemy import text

import gendurable as gd
from gendurable.queries import browse
from gendurable.testing import drain
from gendurable.web import dashboard
from tests.web.conftest import Order, Parcel, Visitor


def ids(response) -> list[int]:
    """Return the ids that a list shows."""
    return [int(id) for id in re.findall(r'class="id"><a href="/instances/(\d+)"', response.text)]


def further(response) -> str | None:
    """Return the address of the next page."""
    found = re.search(r'rel="next" href="([^"]+)"', response.text)
    return found and found[1].replace("&amp;", "&")


def image(response) -> str:
    """Return the picture on a page, as the text that it is."""
    return base64.b64decode(
        re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', response.text)[1]
    ).decode()


def labels(picture: str) -> list[str]:
    """Return what stands beside the lines of a picture."""
    return re.findall(r'class="gd-label"[^>]*>([^<]*)<', picture)


def walk(visitor: Visitor, path: str | None) -> list[int]:
    """Return the ids of all pages of a list."""
    seen: list[int] = []
    while path:
        page = visitor.get(path)
        assert page.status_code == 200
        seen += ids(page)
        path = further(page)
    return seen


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


class TestInstance:
    def test_tells_all(self, visitor, durable):
        """One page shows state, inbox, history, and what it waits for."""
        id = durable.insert(Order(number=42), correlation_key="order:42")
        drain(durable)
        durable.signal(id, "other", {"a": [1, None]}, dedup_key="d1")

        page = visitor.get(f"/instances/{int(id)}").text

        assert "Waits for <strong>paid</strong>, then goes on with <strong>ship</strong>." in page
        assert '<span class="jk">&#34;number&#34;</span>: <span class="jn">42</span>' in page
        assert "key d1" in page
        assert '<span class="kind">await</span>' in page

    def test_a_family(self, visitor, durable):
        """Children are a tree below their parent; a child leads back to it."""
        id = durable.insert(Order(note="family"))
        durable.signal(id, "paid")
        drain(durable, queue="orders")

        page = visitor.get(f"/instances/{int(id)}").text
        child = visitor.get("/instances/2").text

        assert "2 ready" in page
        assert 'href="/instances/2"' in page
        assert 'href="/instances/1">web.Order 1</a>' in child
        assert ids(visitor.get("/instances?parent=1")) == [2, 3]

    def test_a_large_family_is_cut(self, visitor, fill, durable):
        """Of many children a few are shown, and the number of all as far as it is counted."""
        durable.insert(Order())
        fill(10_500, parent_id="1", parent_round="0")

        page = visitor.get("/instances/1").text

        assert "10,000+ ready" in page
        assert page.count('class="what"><span class="fsm">') < 60

    def test_a_failure(self, visitor, durable):
        """A failed one shows its error and the traceback."""
        id = durable.insert(Order(note="bad"))
        durable.signal(id, "paid")
        drain(durable)

        page = visitor.get(f"/instances/{int(id)}").text

        assert "Failed in <strong>ship</strong>" in page
        assert "Traceback (most recent call last)" in page

    def test_history_is_paged(self, visitor, durable, engine):
        """A long history is read page by page."""
        durable.insert(Order())
        with engine.begin() as conn:
            conn.execute(
                text(
                    "INSERT INTO gendurable.transitions (instance_id, kind, step, attempt, visit)"
                    " SELECT 1, 'next', 's' || n, 0, n FROM generate_series(1, 60) n"
                )
            )

        first = visitor.get("/instances/1").text
        second = visitor.get("/instances/1?before=36").text

        assert "s60</span>" in first
        assert "s35</span>" not in first
        assert "s35</span>" in second

    def test_a_large_state_is_cut(self, visitor, durable):
        """A state of a megabyte does not make a page of a megabyte."""
        durable.insert(Order(note="x" * 500_000))

        assert len(visitor.get("/instances/1").data) < 60_000

    @pytest.mark.parametrize("id", ["7", "0", str(2**63)])
    def test_not_there(self, visitor, id):
        """One that is not there is a page that says so."""
        assert visitor.get(f"/instances/{id}").status_code == 404

    def test_explains(self, visitor, durable):
        """The page says why an instance does not run now."""
        durable.insert(Order())

        assert (
            "no worker that lives serves its queue &#39;orders&#39;"
            in visitor.get("/instances/1").text
        )

    def test_a_paused_one(self, visitor, durable, parked):
        """One that is paused says so, and since when, beside what it waits for."""
        durable.pause(parked, by="ada", reason="odd")
        page = visitor.get(f"/instances/{parked}").text

        assert '<span class="pill paused">Paused</span>' in page
        assert "Waits for <strong>paid</strong>" in page
        assert "nothing of it starts until it is resumed" in page
        assert "by <strong>ada</strong>: odd" in page

    def test_in_a_paused_queue(self, visitor, durable, parked):
        """One in a paused queue says so, and its list does."""
        durable.pause(queue="orders")
        durable.insert(Order())

        assert "Queue paused" in visitor.get(f"/instances/{parked}").text
        assert "its queue is paused" in visitor.get("/instances?status=runnable").text

    def test_a_way_is_gone_once_it_is_left(self, visitor, durable, parked):
        """Who waits on a way, paused or not, has not gone it yet; nor does a rewind go one."""
        durable.pause(parked)
        assert "1 ×" not in labels(image(visitor.get(f"/instances/{parked}")))
        durable.resume(parked)
        durable.rewind(parked, to="ship")
        drain(durable)

        assert labels(image(visitor.get(f"/instances/{parked}"))) == [
            "paid",
            "children web.Parcel",
            "1 ×",  # from ship, done
        ]

    def test_the_ways_it_went(self, visitor, durable):
        """The picture of its machine says how often it went each way, and where it stands."""
        id = durable.insert(Order(note="family"))
        durable.signal(id, "paid")
        drain(durable)
        durable.rewind(id, to="ship")
        drain(durable)

        picture = image(visitor.get(f"/instances/{int(id)}"))
        assert labels(picture) == [
            *("paid", "1 ×"),
            *("children web.Parcel", "2 ×"),
            "2 ×",  # close, done
        ]
        assert picture.count("gd-here") > 1


class TestTheRest:
    def test_machines(self, visitor):
        """A machine's page names its steps and says what it is for."""
        assert "web.Order" in visitor.get("/machines").text
        page = visitor.get("/machines?name=web.Order&version=1").text
        assert "An order: it waits for its money." in page
        assert '<th scope="row">ship</th>' in page

    @pytest.mark.parametrize("query", ["name=nobody", "name=web.Order&version=2"])
    def test_unknown_machine(self, visitor, query):
        """One that this process does not know is a 404."""
        assert visitor.get(f"/machines?{query}").status_code == 404

    def test_workers(self, visitor, durable, engine):
        """A worker that has long been silent is marked so; one without a record, too."""
        with engine.begin() as conn:
            conn.exec_driver_sql(
                "INSERT INTO gendurable.nodes (name, queues, machines, beat_at) VALUES"
                " ('old', '{a}', '[[\"m\", 1, \"s\"]]', statement_timestamp() - interval '5 min')"
            )

        page = visitor.get("/nodes").text

        assert "silent" in page
        assert '<span class="chip">m</span>' in page

    def test_another_schema(self, engine):
        """A binding to another schema shows that one."""
        durable = gd.bind(engine, schema="elsewhere", name="other")
        durable.create_schema()
        durable.insert(Order(note="there"))
        page = Visitor(dashboard(durable)).get("/instances").text
        durable.notifier.close()

        assert "web.Order" in page
        assert "elsewhere" in page

    def test_a_missing_schema(self, empty_url):
        """Before the schema is there, the page says which command makes it."""
        from sqlalchemy import create_engine

        engine = create_engine(empty_url)
        page = Visitor(dashboard(gd.bind(engine))).get("/")
        engine.dispose()

        assert page.status_code == 503
        assert "create_schema()" in page.text

    def test_a_database_that_is_away(self):
        """While the database is away the page says so, and is no stack trace."""
        from sqlalchemy import create_engine

        engine = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
        page = Visitor(dashboard(gd.bind(engine))).get("/")

        assert page.status_code == 503
        assert "does not answer" in page.text

    def test_reads_only(self, durable, engine):
        """A page's transaction cannot write."""
        from sqlalchemy.exc import InternalError

        from gendurable.web.reading import snapshot

        with pytest.raises(InternalError, match="read-only"), snapshot(durable) as conn:
            conn.exec_driver_sql("DELETE FROM gendurable.instances")
