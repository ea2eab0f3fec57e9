"""What a test reads from a page."""

from __future__ import annotations

import base64
import re

from tests.web.conftest import Visitor


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
