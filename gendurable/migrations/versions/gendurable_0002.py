"""Limits: what is allowed, and the tokens that are left."""

from alembic import op
from sqlalchemy import BigInteger, Column, Index, MetaData, Numeric, Table, text

from gendurable import migrations
from gendurable.migrations import ddl
from gendurable.migrations.history import Op
from gendurable.migrations.v0001.columns import (
    check,
    count,
    instant,
    optional,
    optional_instant,
    size,
    word,
)

revision = "gendurable_0002"
down_revision = "gendurable_0001"
branch_labels = None
depends_on = None


def tables(schema: str) -> MetaData:
    """Return the tables of this revision in *schema*."""
    metadata = MetaData(schema=schema)
    Table(
        "limits",
        metadata,
        word("kind", primary_key=True),
        word("name", primary_key=True),
        word("source", primary_key=True),
        count("amount", default=None, kind=BigInteger),
        optional("per_us", BigInteger),
        optional("burst", BigInteger),
        instant("updated_at"),
        check("limits_kind", "kind IN ('key', 'rate')"),
        check("limits_source", "source IN ('binding', 'override')"),
        size("limits", "name"),
        check("limits_amount", "amount >= 0"),
        check(
            "limits_rate_has_bucket",
            "(kind = 'rate') = (per_us IS NOT NULL) AND (kind = 'rate') = (burst IS NOT NULL)",
        ),
        check("limits_bucket_holds", "per_us > 0 AND burst > 0"),
    )
    Table(
        "buckets",
        metadata,
        word("key", primary_key=True),
        Column("level", Numeric, nullable=False),
        count("per_us", default=None, kind=BigInteger),
        Column("at", optional_instant("at").type, nullable=False),
        optional_instant("head_at"),
        optional("amount", BigInteger),
        optional("burst", BigInteger),
        size("buckets", "key"),
        check("buckets_per", "per_us > 0"),
        Index("buckets_head", "head_at", postgresql_where=text("head_at IS NOT NULL")),
        Index("buckets_at", "at", postgresql_where=text("head_at IS NULL")),
    )
    return metadata


def up(op: Op, schema: str) -> None:
    """Create the tables."""
    ddl.create_all(op, tables(schema))
    ddl.set_storage(op, schema, "buckets", {"fillfactor": "70"})


def down(op: Op, schema: str) -> None:
    """Drop them; rows that wait for a limit wait no more."""
    name = f"{ddl.quoted(schema)}.instances".replace(":", r"\:")
    op.execute(text(f"UPDATE {name} SET blocked = NULL WHERE blocked IN ('key', 'rate')"))
    ddl.drop_all(op, tables(schema))


def upgrade() -> None:
    """Run by Alembic where the host has this folder among its version locations."""
    schema = migrations.configured_schema()
    migrations.upgrade(op, to=revision, since=down_revision, schema=schema)


def downgrade() -> None:
    """Run by Alembic likewise."""
    schema = migrations.configured_schema()
    migrations.downgrade(op, to=down_revision, since=revision, schema=schema)
