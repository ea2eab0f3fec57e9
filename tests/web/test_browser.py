"""The dashboard in a real browser: live pages, and every form."""

from __future__ import annotations

import gendurable as gd
from gendurable.testing import drain
from tests.web.browser import IN_A_BROWSER, Remote
from tests.web.conftest import Order

pytestmark = IN_A_BROWSER


def send(page: Remote, verb: str, **filled: str) -> None:
    """Follow the button of an action, fill its form in, and send it."""
    page.click(f".actions a:has-text('{verb}')")
    for name, value in filled.items():
        page.fill(f"input[name={name}]", value)
    page.click("main button")


class TestLive:
    def test_a_page_keeps_itself_up_to_date(self, page, errors, root, durable, parked):
        """What changes in the database is seen without a hand, and nothing is blocked."""
        page.goto(f"{root}/instances/{parked}")
        page.wait_for_selector("#head .pill.awaiting_signal")

        durable.signal(parked, "paid")
        drain(durable)

        page.wait_for_selector("#head .pill.done")
        assert errors == []

    def test_what_comes_later_appears(self, page, errors, root, durable, fill):
        """Children that are born, and keys that fill up, while the page is open are shown on it."""
        id = durable.insert(Order(note="family"))
        drain(durable)
        page.goto(f"{root}/instances/{int(id)}")
        assert page.locator("#children").count() == 0
        durable.signal(id, "paid")
        drain(durable, queue="orders")
        page.wait_for_selector("#children .tree a")
        page.goto(f"{root}/limits")
        fill(2, concurrency_key="'k'", blocked="'key'")

        page.wait_for_selector("#behind a:has-text('k')")
        assert errors == []

    def test_what_is_open_stays_open(self, page, root, durable, parked):
        """A detail that somebody has opened is still open after an update."""
        page.goto(f"{root}/instances/{parked}")
        page.click("#history summary")
        durable.signal(parked, "paid")
        drain(durable)

        page.wait_for_selector("#history li:nth-child(2)")
        assert page.locator("#history details[open]").count() == 1

    def test_it_can_be_stopped(self, page, root, durable, parked):
        """Who wants to read in peace stops the updates."""
        page.goto(f"{root}/instances/{parked}")
        page.click("#live-state button")
        assert page.inner_text("#live-state button") == "Paused"
        durable.cancel(parked, "x")

        page.wait_for_timeout(600)
        assert page.locator("#head .pill.awaiting_signal").count() == 1
        page.click("#live-state button")
        page.wait_for_selector("#head .pill.cancelled")

    def test_without_javascript(self, browser, root, parked):
        """Everything can be seen and done without a script."""
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(f"{root}/instances/{parked}")
        page.click(".actions a:has-text('Cancel')")
        page.fill("input[name=reason]", "by hand")
        page.click("main button")

        assert "It is cancelled" in page.inner_text("main")
        context.close()


class TestActing:
    def test_cancel(self, page, errors, root, durable, parked):
        """From the instance over the question to the deed, and back."""
        page.goto(f"{root}/instances/{parked}")
        page.click(".actions a:has-text('Cancel')")
        page.fill("input[name=reason]", "the customer called")
        page.click("main button")

        page.wait_for_selector("#head .pill.cancelled")
        assert "It is cancelled" in page.inner_text("[role=status]")
        assert durable.instance(parked).last_error == "the customer called"
        assert errors == []

    def test_signal(self, page, root, durable, parked):
        """The name that it waits for is filled in already."""
        page.goto(f"{root}/instances/{parked}")
        page.click(".actions a:has-text('Signal')")
        page.fill("textarea", '{"amount": 3}')
        page.click("main button")

        page.wait_for_selector("#inbox .name")
        drain(durable)
        page.wait_for_selector("#head .pill.done")

    def test_by_keyboard(self, page, root, parked):
        """The first key reaches the skip link; the slash reaches the search; Enter finds."""
        page.goto(root)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to content"
        page.keyboard.press("/")
        page.keyboard.type(str(parked))
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/instances/{parked}")

    def test_hold_and_let_go(self, page, root, durable, parked):
        """An instance is paused and resumed, put back and rewound, from its own page."""
        page.goto(f"{root}/instances/{parked}")
        send(page, "Pause", reason="lunch")
        page.wait_for_selector("#head .pill.paused")
        send(page, "Resume")
        page.wait_for_selector("#head .pill.awaiting_signal")
        send(page, "Cancel", reason="x")
        page.wait_for_selector("#head .pill.cancelled")
        send(page, "Retry")
        page.wait_for_selector("#head .pill.awaiting_signal")
        page.click(".actions a:has-text('Rewind')")
        page.select_option("select[name=to]", "ship")
        page.click("main button")
        page.wait_for_selector("#head .pill.runnable")
        assert durable.instance(parked).step == "ship"
        send(page, "Reschedule", delay="3600", queue="slow")
        page.wait_for_selector("#facts a:has-text('slow')")

    def test_queues(self, page, errors, root, durable, parked):
        """A queue is paused and resumed from the overview."""
        page.goto(root)
        page.click("#queues tr:has-text('orders') .do a")
        page.fill("input[name=reason]", "deploy")
        page.click("main button")
        page.wait_for_selector("#queues tr.stopped:has-text('by ada: deploy')")
        page.click("#queues tr.stopped .do a")
        page.click("main button")

        page.wait_for_selector("#queues tr:not(.stopped):has-text('orders')")
        assert errors == []

    def test_limits(self, page, errors, root, durable):
        """A limit is changed, and what is wrong with it told; reset, it is gone."""
        durable.set_limit("stripe", gd.ConcurrencyLimit(2))
        page.goto(f"{root}/limits")
        page.click(".do a:has-text('Change')")
        page.fill("input[name=at_once]", "none")
        page.click("main button")
        assert "must be a number" in page.inner_text("[role=alert]")
        page.fill("input[name=at_once]", "9")
        page.click("main button")
        page.wait_for_selector("#limits td:has-text('9 at once')")
        page.click(".do a:has-text('Reset')")
        page.click("main button")

        page.wait_for_selector("#limits .empty")
        assert durable.limits() == []

    def test_schedules(self, page, errors, root, durable):
        """A schedule is triggered, paused, edited and resumed."""
        durable.schedule("nightly", Order(), cron="0 3 * * *")
        page.goto(root)
        durable.trigger("nightly")
        page.goto(f"{root}/schedules")
        page.click(".do a:has-text('Pause')")
        page.click("main button")
        page.wait_for_selector("tr.stopped .pill.paused")
        page.click(".do a:has-text('Edit')")
        page.fill("input[name=cron]", "5 4 * * *")
        page.click("main button")
        page.wait_for_selector("td:has-text('5 4 * * *')")
        page.click(".do a:has-text('Resume')")
        page.click("main button")
        page.wait_for_selector("tr:not(.stopped) th:has-text('nightly')")
        page.click(".do a:has-text('Trigger')")
        page.click("main button")

        page.wait_for_url("**/instances/2?said=*")
        assert errors == []
