"""The table of transitions: what happened to an instance, and who did it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from gendurable.models.base import NOW, SCHEMA, Base


class Transition(Base):
    """One entry of an instance's history: an outcome, an error, a crash or a hand's edit."""

    __tablename__ = "transitions"
    __shown__ = ("id", "instance_id", "kind", "step")

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    instance_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey(f"{SCHEMA}.instances.id", ondelete="CASCADE")
    )
    kind: Mapped[str] = mapped_column(Text)
    step: Mapped[str] = mapped_column(Text)
    attempt: Mapped[int]
    visit: Mapped[int] = mapped_column(BigInteger)
    duration: Mapped[float | None]
    worker: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    traceback: Mapped[str | None] = mapped_column(Text)
    state: Mapped[Any | None] = mapped_column(JSONB)
    made_by: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    inserted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)

    # The history of one instance, in order
    __table_args__ = (Index("transitions_instance", "instance_id", "id"),)
