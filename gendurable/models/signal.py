"""The table of signals: rows of an inbox."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from gendurable.models.base import NOW, SCHEMA, Base
from gendurable.models.domains import DOMAINS


class StoredSignal(Base):
    """One signal in the inbox of one instance.

    Consumed, it is deleted; with a ``dedup_key`` it stays, ``consumed_at`` set, so that the same
    delivery is recognised for as long as the instance lives.
    """

    __tablename__ = "signals"
    __shown__ = ("id", "name", "target_id")

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    target_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.instances.id", ondelete="CASCADE")
    )
    name: Mapped[str] = mapped_column(DOMAINS.name)
    payload: Mapped[Any | None] = mapped_column(JSONB)
    dedup_key: Mapped[str | None] = mapped_column(DOMAINS.name)
    inserted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
    consumed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: What the sender's tracer sends along.
    headers: Mapped[Any | None] = mapped_column(JSONB)

    __table_args__ = (
        CheckConstraint(
            "consumed_at IS NULL OR dedup_key IS NOT NULL", name="signals_tombstone_has_dedup_key"
        ),
        # queries.signals.INBOXES, and the foreign key when an instance is deleted
        Index("signals_target", "target_id", "id"),
        # One delivery a (target, name, key)
        Index(
            "signals_dedup",
            "target_id",
            "name",
            "dedup_key",
            unique=True,
            postgresql_where=text("dedup_key IS NOT NULL"),
        ),
    )
