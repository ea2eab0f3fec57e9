"""The tables around the instances as revision gendurable_0001 makes them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from gendurable.migrations.v0001.columns import (
    check,
    count,
    document,
    identity,
    instant,
    optional,
    optional_instant,
    size,
    word,
)


def add_satellites(metadata: MetaData) -> None:
    """Define the tables, after that of the instances."""
    _signals(metadata)
    _transitions(metadata)
    _installation(metadata)
    _nodes(metadata)


def _signals(metadata: MetaData) -> None:
    Table(
        "signals",
        metadata,
        identity(),
        _instance(metadata, "target_id"),
        word("name"),
        optional("payload", JSONB),
        optional("dedup_key"),
        instant("inserted_at"),
        optional_instant("consumed_at"),
        size("signals", "name"),
        size("signals", "dedup_key"),
        check("signals_tombstone_has_dedup_key", "consumed_at IS NULL OR dedup_key IS NOT NULL"),
        Index("signals_target", "target_id", "id"),
        Index(
            "signals_dedup",
            *("target_id", "name", "dedup_key"),
            unique=True,
            postgresql_where=text("dedup_key IS NOT NULL"),
        ),
    )


def _transitions(metadata: MetaData) -> None:
    Table(
        "transitions",
        metadata,
        identity(),
        _instance(metadata, "instance_id"),
        word("kind"),
        word("step"),
        count("attempt", default=None),
        count("visit", default=None, kind=BigInteger),
        optional("duration", Float),
        optional("worker"),
        optional("error"),
        optional("traceback"),
        optional("state", JSONB),
        optional("made_by"),
        optional("reason"),
        instant("inserted_at"),
        Index("transitions_instance", "instance_id", "id"),
    )


def _installation(metadata: MetaData) -> None:
    Table(
        "installation",
        metadata,
        Column("only", Boolean, primary_key=True, server_default=text("true")),
        Column("id", Uuid, server_default=text("gen_random_uuid()"), nullable=False),
        word("revision"),
        check("installation_has_one_row", '"only"'),
    )


def _nodes(metadata: MetaData) -> None:
    Table(
        "nodes",
        metadata,
        word("name", primary_key=True),
        Column("queues", ARRAY(Text), nullable=False),
        document("machines"),
        instant("started_at"),
        instant("beat_at"),
    )


def _instance(metadata: MetaData, name: str) -> Column[Any]:
    """A reference to an instance that goes when the instance goes."""
    target = ForeignKey(f"{metadata.schema}.instances.id", ondelete="CASCADE")
    return Column(name, BigInteger, target, nullable=False)
