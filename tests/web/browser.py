"""The browser that tests and pictures use: the Chromium of the system."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

#: Where it is, None if it is not here; ``GENDURABLE_TEST_CHROMIUM`` names another.
CHROMIUM = os.environ.get("GENDURABLE_TEST_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

#: The mark of tests that need it.
IN_A_BROWSER = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed here"),
]

#: In a container there is no sandbox to be had, and little shared memory.
OPTIONS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]


class Remote:
    """An object of Playwright that lives on a thread of its own, used from another.

    Its blocking interface switches greenlets beneath its caller, which Python 3.11 does not survive
    where a syntax tree is built later, as pytest does to show a failure.
    """

    def __init__(self, home: ThreadPoolExecutor, it: Any) -> None:
        self._home = home
        self._it = it

    def __getattr__(self, name: str) -> Any:
        return self._run(getattr, self._it, name)

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._run(self._it, *args, **options)

    def __enter__(self) -> Any:
        return self._run(self._it.__enter__)

    def __exit__(self, *error: Any) -> Any:
        return self._run(self._it.__exit__, *error)

    def _run(self, do: Any, *args: Any, **options: Any) -> Any:
        answer = self._home.submit(do, *args, **options).result()
        plain = answer is None or isinstance(answer, str | bytes | int | float | list | dict)
        return answer if plain else Remote(self._home, answer)


@contextmanager
def chromium() -> Iterator[Remote]:
    """Give the system's Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    with ThreadPoolExecutor(1) as home, Remote(home, sync_playwright()) as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()
