"""Acting through forms, and what a hostile text does not do."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

import gendurable as gd
from gendurable.testing import drain
from tests.web import hostile
from tests.web.conftest import Order

EVIL = '"><script src=//evil></script><img src=x onerror=alert(1)>'


def entries(engine, id):
    """Return what hands have done to an instance."""
    with engine.connect() as conn:
        rows = conn.execute(
            select(gd.Transition.kind, gd.Transition.made_by, gd.Transition.reason)
            .where(gd.Transition.instance_id == id, gd.Transition.made_by.isnot(None))
            .order_by(gd.Transition.id)
        )
        return [tuple(row) for row in rows]


class TestActions:
    def test_cancel_and_retry(self, operator, durable, engine, parked):
        """What is done is done at once, and the history names who did it and why."""
        answer = operator.act("cancel", parked, reason="the customer called")
        assert answer.location == f"/instances/{parked}?said=instances-cancel"
        assert durable.instance(parked).status == "cancelled"

        assert operator.act("retry", parked, reason="called again").status_code == 303
        assert durable.instance(parked).status == "awaiting_signal"
        assert entries(engine, parked) == [
            ("cancelled", "ada", "the customer called"),
            ("retried", "ada", "called again"),
        ]

    def test_cancel_a_family(self, operator, durable, parked):
        """With a tick its descendants are cancelled, too."""
        durable.schedule_children(parked, [Order()])
        operator.act("cancel", parked, reason="x", cascade="1")

        assert durable.instance(parked + 1).status == "cancelled"

    def test_signal(self, operator, durable, parked):
        """A signal is sent as the JSON that was filled in."""
        answer = operator.act("signal", parked, name="paid", payload='{"amount": 3}', dedup_key="k")

        assert answer.status_code == 303
        drain(durable)
        assert durable.instance(parked).status == "done"

    def test_reschedule(self, operator, durable):
        """What is left empty stays as it is."""
        id = int(durable.insert(Order(), priority=3))
        operator.act("reschedule", id, queue="other", delay="3600")

        row = durable.instance(id)
        assert (row.queue, row.priority) == ("other", 3)

    @pytest.mark.parametrize(
        ("name", "filled", "complaint"),
        [
            ("cancel", {}, "Reason is missing."),
            ("signal", {"name": "paid", "payload": "{"}, "no JSON"),
            ("signal", {"name": "web.tip", "payload": "3"}, "this is no payload of web.tip"),
            ("reschedule", {"priority": "high"}, "must be a number"),
            ("reschedule", {}, "give at="),
            ("retry", {}, "only failed and cancelled"),
        ],
    )
    def test_mistakes_are_told(self, operator, parked, name, filled, complaint):
        """A form with a mistake comes back as it was filled in, with what is wrong."""
        answer = operator.act(name, parked, **filled)

        assert answer.status_code == 422
        assert complaint in answer.text
        for value in filled.values():
            assert value in answer.text

    def test_pause_and_resume(self, operator, durable, engine, parked):
        """What is paused is offered to be resumed, and the other way round."""
        assert "/do/instances/pause" in operator.get(f"/instances/{parked}").text
        operator.act("pause", parked, reason="slow")

        page = operator.get(f"/instances/{parked}").text
        assert durable.instance(parked).paused_at is not None
        assert "/do/instances/pause" not in page
        assert "/do/instances/resume" in page
        operator.act("resume", parked, reason="fast")
        assert durable.instance(parked).paused_at is None
        assert entries(engine, parked) == [("paused", "ada", "slow"), ("resumed", "ada", "fast")]

    def test_rewind(self, operator, durable, engine, parked):
        """It goes back to a step, or to an entry of its history; both are offered."""
        form = operator.get(f"/do/instances/rewind?target={parked}").text
        entry = re.search(r'<option value="(\d+)">start, as it was', form)[1]
        assert '<option value="ship">ship</option>' in form

        operator.act("rewind", parked, to="ship", reason="skip it")
        assert (durable.instance(parked).status, durable.instance(parked).step) == (
            "runnable",
            "ship",
        )
        operator.act("rewind", parked, to=entry)
        assert durable.instance(parked).step == "start"
        assert entries(engine, parked) == [("rewound", "ada", "skip it"), ("rewound", "ada", None)]

    def test_pause_a_queue(self, operator, durable):
        """A queue is held and let go, and the overview offers what can be done next."""
        id = int(durable.insert(Order()))
        assert "/do/queues/pause?target=orders" in operator.get("/").text
        operator.act("pause", "orders", kind="queues", reason="deploy")

        page = operator.get("/").text
        assert "/do/queues/pause?target=orders" not in page
        assert "by ada: deploy" in page
        drain(durable)
        assert durable.instance(id).status == "runnable"
        operator.act("resume", "orders", kind="queues")
        drain(durable)
        assert durable.instance(id).status == "awaiting_signal"

    @pytest.mark.parametrize(
        ("kind", "filled", "limit"),
        [
            ("key", {"at_once": "5"}, gd.ConcurrencyLimit(5)),
            ("rate", {"allowance": "5", "per": "60"}, gd.RateLimit(5, 60)),
            ("rate", {"allowance": "5", "per": "0.5", "burst": "9"}, gd.RateLimit(5, 0.5, 9)),
        ],
    )
    def test_limits(self, operator, durable, kind, filled, limit):
        """A limit is overridden, and left to the code again."""
        operator.act(kind, "stripe", kind="limits", **filled)
        assert [(one.name, one.limit) for one in durable.limits()] == [("stripe", limit)]

        operator.act("reset", "stripe", kind="limits")
        assert durable.limits() == []

    def test_schedules(self, operator, durable):
        """A schedule is triggered, which leads to the instance, paused, edited and resumed."""
        durable.schedule("nightly", Order(), cron="0 3 * * *")
        answer = operator.act("trigger", "nightly", kind="schedules")
        assert answer.location == "/instances/1?said=schedules-trigger"
        assert "It is started." in operator.get(answer.location).text

        operator.act("pause", "nightly", kind="schedules")
        operator.act("edit", "nightly", kind="schedules", cron="0 4 * * *")
        (found,) = durable.schedules()
        assert (found.paused, found.cron, found.edited) == (True, "0 4 * * *", True)
        operator.act("resume", "nightly", kind="schedules")
        operator.act("edit", "nightly", kind="schedules")
        (found,) = durable.schedules()
        assert (found.paused, found.cron, found.edited) == (False, "0 3 * * *", False)

    @pytest.mark.parametrize(
        ("kind", "name", "filled", "complaint"),
        [
            ("limits", "key", {"at_once": "0"}, "ConcurrencyLimit(limit)"),
            ("limits", "key", {"at_once": "x"}, "must be a number"),
            ("limits", "rate", {"allowance": "1", "per": "0"}, "RateLimit(per)"),
            ("schedules", "edit", {"cron": "every day"}, "cron="),
            ("schedules", "trigger", {}, "nobody"),
        ],
    )
    def test_other_mistakes_are_told(self, operator, kind, name, filled, complaint):
        """What the binding refuses comes back as a sentence."""
        answer = operator.act(name, "nobody", kind=kind, **filled)

        assert answer.status_code == 422
        assert complaint in answer.text

    @pytest.mark.parametrize(
        "path",
        [
            "instances/explode?target=1",
            "instances/cancel?target=7",
            "schedules/explode?target=x",
            "nothing/cancel?target=1",
        ],
    )
    def test_what_is_not_there(self, operator, path):
        """Neither an unknown action nor an instance that is gone is a stack trace."""
        assert operator.get(f"/do/{path}").status_code == 404

    @pytest.mark.parametrize("target", ["", "x", "-1", "0", "9" * 30, "²"])
    def test_what_is_no_target(self, operator, target):
        """An address without a proper target is refused."""
        assert operator.get(f"/do/instances/cancel?target={target}").status_code == 400


class TestScripts:
    def test_in_every_text(self, operator, durable, engine):
        """Whatever text is stored, it is shown as text."""
        hostile.populate(durable, engine, EVIL)
        for path in hostile.pages(EVIL):
            page = operator.get(path).text
            assert "<script src=//" not in page, path
            assert "<img src=x" not in page, path
        assert "&lt;img src=x" in operator.get("/instances/1").text

    def test_in_what_is_asked_for(self, visitor):
        """Nor is what stands in an address taken for anything but text."""
        page = visitor.get("/instances").text
        assert page
        for name in ("status", "fsm", "queue", "key", "step", "from", "find", "parent", "said"):
            answer = visitor.client.get(
                "/instances", query_string={name: EVIL}, environ_overrides=visitor.environ
            )
            assert "<script src=//" not in answer.text
