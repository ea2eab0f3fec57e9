"""The table of pauses: which queues are held, since when and by whom."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Identity, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from gendurable.models.base import NOW, Base


class Pause(Base):
    """One time that a queue was held; open until somebody resumes the queue.

    The rows that are over stay: they are the history of the queue.
    """

    __tablename__ = "pauses"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    queue: Mapped[str] = mapped_column(Text)
    paused_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
    paused_by: Mapped[str | None] = mapped_column(Text)
    pause_reason: Mapped[str | None] = mapped_column(Text)
    resumed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    resumed_by: Mapped[str | None] = mapped_column(Text)
    resume_reason: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint("octet_length(queue) BETWEEN 1 AND 512", name="pauses_queue_size"),
        CheckConstraint(
            "resumed_at IS NOT NULL OR (resumed_by IS NULL AND resume_reason IS NULL)",
            name="pauses_resumed_at_some_time",
        ),
        # queries.claim.CLAIM asks it at every claim; a queue is held once
        Index("pauses_open", "queue", unique=True, postgresql_where=text("resumed_at IS NULL")),
    )
