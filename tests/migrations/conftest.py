"""A database at the revision before the one that makes domains of checks."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine

from gendurable import migrations
from tests.migrations.steps import BEFORE, operations


@pytest.fixture
def conn(empty_url):
    """A connection to a database at the revision before."""
    engine = create_engine(empty_url)
    with engine.connect() as conn:
        migrations.upgrade(operations(conn), to=BEFORE)
        yield conn
    engine.dispose()
