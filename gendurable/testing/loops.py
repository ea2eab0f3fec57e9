"""Running a coroutine to its end from a thread that may have an event loop running."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what *coroutine* returns; it runs on an event loop of its own, in a thread."""
    with ThreadPoolExecutor(1, "gendurable-testing") as thread:
        return thread.submit(copy_context().run, asyncio.run, coroutine).result()
