"""Shorthand for the columns of this revision."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    DateTime,
    Enum,
    Identity,
    Integer,
    Text,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSONB

NOW: ColumnElement[datetime] = literal_column("statement_timestamp()")


def status_type(schema: str | None) -> Enum:
    """Where an instance stands."""
    return Enum(
        *("runnable", "executing", "awaiting_signal", "awaiting_children"),
        *("done", "failed", "cancelled"),
        name="status",
        schema=schema,
    )


def identity() -> Column[int]:
    """A key that the database draws."""
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def word(name: str, default: str | None = None, **options: Any) -> Column[str]:
    """A text that must be there."""
    return Column(name, Text, server_default=default, nullable=False, **options)


def count(name: str, default: str | None = "0", kind: type[Integer] = Integer) -> Column[int]:
    """An integer that must be there."""
    return Column(name, kind, server_default=default, nullable=False)


def optional(name: str, kind: Any = Text) -> Column[Any]:
    """A column that may be empty."""
    return Column(name, kind, nullable=True)


def instant(name: str) -> Column[Any]:
    """A time that is the statement's unless another is given."""
    return Column(name, DateTime(timezone=True), server_default=NOW, nullable=False)


def optional_instant(name: str) -> Column[Any]:
    """A time that may be missing."""
    return Column(name, DateTime(timezone=True), nullable=True)


def document(name: str) -> Column[Any]:
    """A JSON document that must be there."""
    return Column(name, JSONB, nullable=False)


def check(name: str, condition: str) -> CheckConstraint:
    """What must never be false."""
    return CheckConstraint(condition, name=name)


def size(table: str, column: str) -> CheckConstraint:
    """Text of 1 to 512 bytes: longer would not fit an index row."""
    return check(f"{table}_{column}_size", f"octet_length({column}) BETWEEN 1 AND 512")
