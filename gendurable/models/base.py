"""What all tables share: one MetaData, one schema, one status type."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Enum, MetaData, literal_column
from sqlalchemy.orm import DeclarativeBase

from gendurable.lifecycle import Status

#: The PostgreSQL schema that holds everything, unless ``bind(schema=...)`` names another.
SCHEMA = "gendurable"

#: The clock of the whole engine: the instant of the statement, never the start of a transaction.
NOW: ColumnElement[datetime] = literal_column("statement_timestamp()")


class Base(DeclarativeBase):
    """The declarative base of the engine's tables; hosts keep their own."""

    metadata = MetaData(schema=SCHEMA)


STATUS = Enum(
    Status,
    name="status",
    schema=SCHEMA,
    values_callable=lambda kind: [member.value for member in kind],
    metadata=Base.metadata,
)
