"""The shop's migrations, which bring the engine's tables along and keep one head."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import inspect

from examples.shop.stage.processes import SHOP_DIR

CONFIG = Config(SHOP_DIR / "alembic.ini")


def test_autogenerate_finds_nothing_to_do(shop_database):
    """The models and the migrations agree, and the engine's tables are not taken for strays."""
    command.check(CONFIG)


def test_the_way_back_leaves_nothing(shop):
    """Down to an empty database and up again to the tables of an empty shop."""
    command.downgrade(CONFIG, "base")
    with shop.db.engine.connect() as connection:
        inspector = inspect(connection)
        assert inspector.get_table_names() == ["alembic_version"]
        assert "gendurable" not in inspector.get_schema_names()

    command.upgrade(CONFIG, "head")
    assert (shop.count("orders"), shop.count("gendurable.instances")) == (0, 0)
