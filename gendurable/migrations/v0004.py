"""The table of schedules as revision gendurable_0004 makes it. Frozen, as all revisions are."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB


def tables(schema: str) -> MetaData:
    """Return the table of this revision in *schema*."""
    metadata = MetaData(schema=schema)
    Table(
        "schedules",
        metadata,
        Column("name", Text, primary_key=True),
        *(_text(name) for name in ("cron", "timezone", "missed", "overlap")),
        Column("spec", JSONB, nullable=False),
        Column("headers", JSONB),
        Column("cron_override", Text),
        Column("timezone_override", Text),
        *(_instant(name) for name in ("paused_at", "next_at", "last_at")),
        Column("last_id", BigInteger),
        _instant("skipped_at"),
        *(_count(name) for name in ("fired", "skipped")),
        Column("error", Text),
        *(_stamp(name) for name in ("inserted_at", "updated_at")),
        CheckConstraint("octet_length(name) BETWEEN 1 AND 512", name="schedules_name_size"),
        CheckConstraint("missed IN ('skip', 'latest', 'all')", name="schedules_missed"),
        CheckConstraint("overlap IN ('allow', 'skip')", name="schedules_overlap"),
        Index(
            "schedules_next",
            "next_at",
            postgresql_where=text("paused_at IS NULL AND error IS NULL"),
        ),
    )
    return metadata


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


def _instant(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True))


def _stamp(name: str) -> Column[object]:
    now = text("statement_timestamp()")
    return Column(name, DateTime(timezone=True), nullable=False, server_default=now)
