"""What the unit tests share: machines that are forgotten, and a way to define one in a line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gendurable.machine import isolated


@pytest.fixture(autouse=True)
def forget_machines() -> Iterator[None]:
    """A machine that a test defines is unknown to the next one."""
    with isolated():
        yield
