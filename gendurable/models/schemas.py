"""The mapped classes in schemas other than the default one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import FunctionType
from typing import Any

from sqlalchemy import Enum, MetaData
from sqlalchemy.orm import DeclarativeBase

from gendurable.lifecycle import Status
from gendurable.models.base import SCHEMA, STATUS, Base, Shown
from gendurable.models.domains import Domains, IntegerDomain, TextDomain


@dataclass(frozen=True, slots=True)
class Tables:
    """The mapped classes of one schema, by name: ``tables.Instance``."""

    schema: str
    metadata: MetaData
    classes: Mapping[str, type[DeclarativeBase]]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.classes[name]
        except KeyError:
            raise AttributeError(f"gendurable has no table class {name!r}") from None


@cache
def tables_for(schema: str) -> Tables:
    """Return the mapped classes of *schema*; those of the default schema are the models themselves.

    Classes of different schemas do not mix: an object belongs to the schema of its class.
    """
    originals = {mapper.class_.__name__: mapper.class_ for mapper in Base.registry.mappers}
    if schema == SCHEMA:
        return Tables(schema, Base.metadata, originals)

    class SchemaBase(Shown, DeclarativeBase):
        """The declarative base of one schema."""

        metadata = MetaData(schema=schema)

    status = _status_type(SchemaBase.metadata)
    domains = Domains.of(SchemaBase.metadata)
    for table in Base.metadata.sorted_tables:
        copy = table.to_metadata(
            SchemaBase.metadata, schema=schema, referred_schema_fn=lambda *_: schema
        )
        for column in copy.columns:
            if isinstance(column.type, Enum):
                column.type = status
            elif isinstance(column.type, TextDomain | IntegerDomain):
                column.type = domains.like(column.type)
    copies = {name: _copy(cls, SchemaBase, schema) for name, cls in originals.items()}
    return Tables(schema, SchemaBase.metadata, copies)


def _status_type(metadata: MetaData) -> Enum:
    """Return the type of statuses in the schema of *metadata*; copies of columns keep the old."""
    return Enum(
        Status,
        name=STATUS.name,
        schema=metadata.schema,
        values_callable=STATUS.values_callable,
        metadata=metadata,
    )


def _copy(original: type[Base], base: type[DeclarativeBase], schema: str) -> type[DeclarativeBase]:
    """Map a class with the methods of *original* to the copy of its table."""
    own: dict[str, Any] = {
        name: value
        for name, value in vars(original).items()
        if isinstance(value, FunctionType | property) and not name.startswith("__init")
    }
    table = base.metadata.tables[f"{schema}.{original.__tablename__}"]
    body = {"__doc__": original.__doc__, "__module__": original.__module__, "__table__": table}
    own["__shown__"] = original.__shown__
    return type(original.__name__, (base,), {**own, **body})
