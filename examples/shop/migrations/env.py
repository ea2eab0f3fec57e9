"""How the shop's migrations reach the database; nothing in here knows about gendurable."""

from __future__ import annotations

from alembic import context

from examples.shop.db import engine
from examples.shop.models import Base

if context.is_offline_mode():
    context.configure(dialect_name="postgresql", target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata)
        with context.begin_transaction():
            context.run_migrations()
