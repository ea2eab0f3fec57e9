"""The engine's tables, in a schema of their own: one call, and the shop keeps one head."""

from __future__ import annotations

from alembic import op

from gendurable import migrations

revision = "0002_gendurable"
down_revision = "0001_shop"
branch_labels = None
depends_on = None


def upgrade() -> None:
    migrations.upgrade(op)


def downgrade() -> None:
    migrations.downgrade(op)
