"""The tables as revision gendurable_0001 makes them. Frozen: later changes are later revisions."""

from sqlalchemy import MetaData

from gendurable.migrations.v0001.columns import status_type
from gendurable.migrations.v0001.instances import STORAGE, add_instances
from gendurable.migrations.v0001.satellites import add_satellites

__all__ = ["STORAGE", "status_type", "tables"]


def tables(schema: str) -> MetaData:
    """Return all tables of this revision in *schema*."""
    metadata = MetaData(schema=schema)
    add_instances(metadata)
    add_satellites(metadata)
    return metadata
