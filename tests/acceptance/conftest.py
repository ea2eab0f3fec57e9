"""Fixtures of the acceptance tests: what is committed, and what workers elsewhere hear."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import func, select


@pytest.fixture
def count(durable):
    """How many instances are committed."""
    query = select(func.count()).select_from(durable.Instance.__table__)

    def count() -> int:
        with durable.engine.begin() as conn:
            return conn.scalar(query)

    return count


@pytest.fixture
def mail(durable):
    """How many signals are committed."""

    def mail() -> int:
        with durable.engine.begin() as conn:
            return conn.scalar(select(func.count()).select_from(durable.StoredSignal.__table__))

    return mail


@pytest.fixture
def heard(url, durable):
    """What a worker elsewhere has heard within some seconds, until the first word."""
    plain = url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(plain, autocommit=True) as listener:
        listener.execute("LISTEN gendurable")

        def heard(seconds: float = 10.0) -> list[str]:
            return [one.payload for one in listener.notifies(timeout=seconds, stop_after=1)]

        yield heard
