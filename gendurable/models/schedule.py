"""The table of schedules: what is inserted again and again, and when next."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from gendurable.models.base import NOW, Base

#: A schedule that fires: neither paused nor set aside.
ARMED = text("paused_at IS NULL AND error IS NULL")


class StoredSchedule(Base):
    """A schedule: what workers have stored of a declaration, and what was edited since.

    An override wins over what was declared until it is removed. ``next_at`` moves in the
    transaction that inserts the instance of an occurrence, under the lock of this row.
    """

    __tablename__ = "schedules"

    name: Mapped[str] = mapped_column(Text, primary_key=True)

    # What was declared; ``spec`` is the row to insert, without its headers
    cron: Mapped[str] = mapped_column(Text)
    timezone: Mapped[str] = mapped_column(Text)
    missed: Mapped[str] = mapped_column(Text)
    overlap: Mapped[str] = mapped_column(Text)
    spec: Mapped[Any] = mapped_column(JSONB)
    headers: Mapped[Any | None] = mapped_column(JSONB)

    # What was edited at run time
    cron_override: Mapped[str | None] = mapped_column(Text)
    timezone_override: Mapped[str | None] = mapped_column(Text)
    paused_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    # What became of it
    next_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_id: Mapped[int | None] = mapped_column(BigInteger)
    skipped_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    fired: Mapped[int] = mapped_column(BigInteger, server_default="0")
    skipped: Mapped[int] = mapped_column(BigInteger, server_default="0")
    error: Mapped[str | None] = mapped_column(Text)
    inserted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)

    __table_args__ = (
        CheckConstraint("octet_length(name) BETWEEN 1 AND 512", name="schedules_name_size"),
        CheckConstraint("missed IN ('skip', 'latest', 'all')", name="schedules_missed"),
        CheckConstraint("overlap IN ('allow', 'skip')", name="schedules_overlap"),
        # queries.schedules.TAKE, NEXT
        Index("schedules_next", "next_at", postgresql_where=ARMED),
    )
