"""What all tables share: one MetaData, one schema, one status type."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sqlalchemy import ColumnElement, Enum, MetaData, literal_column
from sqlalchemy.orm import DeclarativeBase

from gendurable.lifecycle import Status

#: The PostgreSQL schema that holds everything, unless ``bind(schema=...)`` names another.
SCHEMA = "gendurable"

#: The clock of the whole engine: the instant of the statement, never the start of a transaction.
NOW: ColumnElement[datetime] = literal_column("statement_timestamp()")


class Shown:
    """Shows a row by what is loaded: nothing is read for that, so it may be detached or expired."""

    #: Which columns are shown.
    __shown__: ClassVar[tuple[str, ...]] = ("id",)

    def __repr__(self) -> str:
        loaded = self.__dict__
        shown = [f"{name}={loaded[name]!s}" for name in self.__shown__ if name in loaded]
        return f"<{' '.join([type(self).__name__, *shown])}>"


class Base(Shown, DeclarativeBase):
    """The declarative base of the engine's tables; hosts keep their own."""

    metadata = MetaData(schema=SCHEMA)


STATUS = Enum(
    Status,
    name="status",
    schema=SCHEMA,
    values_callable=lambda kind: [member.value for member in kind],
    metadata=Base.metadata,
)
