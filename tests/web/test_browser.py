"""The dashboard in a real browser: live pages, forms, hostile texts and hostile sites."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import gendurable as gd
from gendurable.testing import drain
from tests.web.browser import CHROMIUM, Remote, chromium
from tests.web.conftest import Order

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed here"),
]

EVIL = "<script>window.hit = 1</script><img src=x onerror='window.hit = 2'>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Remote]:
    """The system's Chromium, without a window."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with chromium() as browser:
        yield browser


@pytest.fixture
def errors() -> list[str]:
    """What the page's console has complained of."""
    return []


@pytest.fixture
def page(browser, errors) -> Iterator[Remote]:
    """A page of a browser that has been nowhere yet."""
    context = browser.new_context()
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    yield page
    context.close()


@pytest.fixture
def root(served) -> str:
    """Where a dashboard is served to ada, who may act."""
    return served(authenticate=lambda environ: "ada", actions=True, refresh=0.2)


class TestLive:
    def test_a_page_keeps_itself_up_to_date(self, page, errors, root, durable, parked):
        """What changes in the database is seen without a hand, and nothing is blocked."""
        page.goto(f"{root}/instances/{parked}")
        page.wait_for_selector("#head .pill.awaiting_signal")

        durable.signal(parked, "paid")
        drain(durable)

        page.wait_for_selector("#head .pill.done")
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


class TestHostility:
    def test_a_stored_script_does_nothing(self, page, errors, root, durable):
        """Whatever text is stored runs nowhere."""

        class Evil(gd.FSM, name=EVIL, queue=EVIL, history="all"):
            text: str

            @gd.step(initial=True)
            def start(self, ctx: gd.Context) -> gd.Outcome:
                raise ValueError(self.text)

        durable.insert(Evil(text=EVIL), correlation_key=EVIL, headers={EVIL: EVIL})
        durable.signal(1, EVIL, EVIL, dedup_key=EVIL)
        drain(durable)
        for path in (
            "/",
            "/instances",
            "/instances/1",
            "/machines",
            "/do/instances/retry?target=1",
        ):
            page.goto(root + path)
            page.wait_for_timeout(300)  # time for an update, too
            assert page.evaluate("window.hit") is None, path
        assert errors == []

    def test_a_script_that_gets_in_is_blocked(self, page, root):
        """Even markup that were not escaped would not run: the policy forbids it."""
        page.goto(root)
        page.evaluate(
            "document.querySelector('main').innerHTML = '<img src=x onerror=\"window.hit = 1\">'"
        )
        page.wait_for_timeout(200)

        assert page.evaluate("window.hit") is None

    def test_another_site_cannot_act(self, page, root, served, durable, parked):
        """A form on another site, sent by a user who is signed in, does nothing."""
        page.goto(f"{root}/do/instances/cancel?target={parked}")
        token = page.get_attribute("input[name=csrf]", "value")

        def evil(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/html")])
            form = (
                f'<form method="post" action="{root}/do/instances/cancel">'
                f'<input name="target" value="{parked}"><input name="reason" value="x">'
                f'<input name="csrf" value="{token}"><button>Win a prize</button></form>'
            )
            return [form.encode()]

        page.goto(served(evil).replace("127.0.0.1", "localhost"))
        with page.expect_navigation():
            page.click("button")

        assert page.inner_text("h1") == "Forbidden"
        assert durable.instance(parked).status == "awaiting_signal"

    def test_another_site_cannot_frame(self, page, root, served):
        """No page is shown in a frame, where a click could be stolen."""

        def evil(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/html")])
            return [f'<iframe src="{root}/" name="in"></iframe>'.encode()]

        page.goto(served(evil))

        assert "Queues" not in page.frame("in").content()


class TestLooks:
    @pytest.mark.parametrize("path", ["/", "/instances", "/instances/1", "/machines", "/nodes"])
    def test_fits_a_phone(self, browser, root, durable, parked, path):
        """At 400 pixels nothing sticks out sideways."""
        context = browser.new_context(viewport={"width": 400, "height": 800})
        page = context.new_page()
        page.goto(root + path)
        width = page.evaluate("document.documentElement.scrollWidth")
        context.close()

        assert width <= 400

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("path", ["/", "/instances", "/instances/1", "/instances/2"])
    def test_contrast(self, browser, root, durable, parked, scheme, path):
        """Every text stands out from what is behind it, as WCAG AA asks (4.5 to 1)."""
        durable.insert(Order(note="bad"))
        durable.signal(2, "paid")
        drain(durable)
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto(root + path)
        weak = page.evaluate(CONTRAST)
        context.close()

        assert weak == []


#: The texts of a page whose contrast is below 4.5, with the ratio: colours are drawn on a canvas,
#: since a browser may write them in any notation.
CONTRAST = """() => {
  const paint = Object.assign(document.createElement('canvas'), {width: 1, height: 1})
    .getContext('2d', {willReadFrequently: true});
  const over = (colours) => {
    paint.clearRect(0, 0, 1, 1);
    for (const colour of colours) { paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1); }
    return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = rgb.map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const weak = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest('.hidden, .skip, [aria-hidden], script, option, thead')) continue;
    const behind = [];
    for (let one = element; one; one = one.parentElement) {
      behind.unshift(getComputedStyle(one).backgroundColor);
    }
    const back = over(behind);
    const opacity = Number(getComputedStyle(element).opacity);
    const ink = over([...behind, getComputedStyle(element).color]);
    const front = ink.map((v, n) => v * opacity + back[n] * (1 - opacity));
    const [a, b] = [light(front), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const text = walker.currentNode.data.trim();
    if (ratio < 4.5) weak.push(`${element.outerHTML.slice(0, 80)} ${text} ${ratio.toFixed(2)}`);
  }
  return weak;
}"""
