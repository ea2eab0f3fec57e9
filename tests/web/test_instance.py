"""The page of one instance."""

from __future__ import annotations

import pytest
from markupsafe import escape
from sqlalchemy import text

import gendurable as gd
from gendurable.testing import drain
from tests.web.conftest import Order
from tests.web.reader import ids, image, labels


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

    @pytest.mark.parametrize(
        ("name", "scope", "call"),
        [
            ("paid", gd.LIVE, """durable.signal("order:42", "paid")"""),
            ("paid", None, """durable.signal(1, "paid")"""),
            ("web.tip", gd.LIVE, """durable.signal("order:42", Tip(amount=...))"""),
            ("web.ping", gd.LIVE, """durable.signal("order:42", Ping())"""),
        ],
    )
    def test_says_how_to_signal(self, visitor, durable, conn, name, scope, call):
        """An empty inbox shows the call that works: with an object, where its class is known."""
        durable.insert(Order(), correlation_key="order:42", correlation_scope=scope)
        drain(durable)
        conn.execute(text("UPDATE gendurable.instances SET awaits = :names"), {"names": [name]})
        conn.commit()

        assert f"<pre>{escape(call)}</pre>" in visitor.get("/instances/1").text

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
