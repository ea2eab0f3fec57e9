"""How the dashboard looks, and sounds, in a real browser: small screens, contrast, names."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.web import hostile
from tests.web.browser import IN_A_BROWSER

pytestmark = IN_A_BROWSER

PATHS = [
    *("/", "/instances", "/instances?status=paused", "/machines", "/nodes", "/limits"),
    *("/schedules", *(f"/instances/{id}" for id in range(1, 6)), "/do/instances/signal?target=2"),
]


class TestLooks:
    @pytest.mark.parametrize("path", PATHS)
    def test_fits_a_phone(self, browser, root, durable, engine, path):
        """At 400 pixels nothing sticks out sideways, however long the words are."""
        hostile.populate(durable, engine, "Donaudampfschifffahrtsgesellschaft" * 12)
        context = browser.new_context(viewport={"width": 400, "height": 800})
        page = context.new_page()
        page.goto(root + path)
        width = page.evaluate("document.documentElement.scrollWidth")
        context.close()

        assert width <= 400

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("path", PATHS)
    def test_contrast(self, browser, root, durable, engine, scheme, path):
        """Every text stands out from what is behind it, as WCAG AA asks (4.5 to 1)."""
        hostile.populate(durable, engine, "word")
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto(root + path)
        weak = page.evaluate(CONTRAST)
        context.close()

        assert weak == []

    @pytest.mark.parametrize("path", PATHS)
    def test_names_for_those_who_listen(self, browser, root, durable, engine, path):
        """Every field, button and link has a name; headings skip no level; one is the page's."""
        hostile.populate(durable, engine, "word")
        context = browser.new_context()
        page = context.new_page()
        page.goto(root + path)
        nameless = page.evaluate(NAMELESS)
        levels = page.evaluate(
            "[...document.querySelectorAll('h1,h2,h3,h4')].map((h) => Number(h.tagName[1]))"
        )
        context.close()

        assert nameless == []
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))


#: What can be used on a page and says not what it is.
NAMELESS = """() => [...document.querySelectorAll('a, button, input, select, textarea, img')]
  .filter((one) => one.type !== 'hidden')
  .filter((one) => !(one.textContent.trim() || one.getAttribute('aria-label') || one.alt
    || one.labels?.length))
  .map((one) => one.outerHTML.slice(0, 100))"""

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
    if (element.closest('.hidden, .skip, [aria-hidden], script, option')) continue;
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
