"""The tables of the installation and of its workers."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, CheckConstraint, DateTime, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from gendurable.models.base import NOW, Base


class Installation(Base):
    """The one row that says which schema revision this is, and which database.

    ``id`` is drawn when the schema is created; it makes idempotency keys of two databases differ.
    """

    __tablename__ = "installation"

    only: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=text("true"))
    id: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    revision: Mapped[str] = mapped_column(Text)

    __table_args__ = (CheckConstraint('"only"', name="installation_has_one_row"),)


class Node(Base):
    """A living worker: which queues it serves, which machines it knows, when it last beat."""

    __tablename__ = "nodes"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    queues: Mapped[list[str]] = mapped_column(ARRAY(Text))
    machines: Mapped[Any] = mapped_column(JSONB)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
    beat_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
