"""Keeping our tables out of what a host's ``alembic revision --autogenerate`` proposes.

By default Alembic does not look into other schemas. A host that sets ``include_schemas=True``, or
that lists our MetaData beside its own, would be told to drop or create our tables: this comparison
runs after Alembic's own and takes such proposals out. It is registered when ``gendurable`` or one
of its revisions is imported, which is before anything is compared.
"""

from __future__ import annotations

from typing import Any

import alembic.util
from alembic.autogenerate import comparators
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import MigrateOperation, UpgradeOps
from sqlalchemy import Inspector

from gendurable.models import Base
from gendurable.models.base import SCHEMA

#: An option of ``context.configure`` for this repository, which does compare its own tables.
OWN = "gendurable_own"

_TABLES = frozenset(table.name for table in Base.metadata.sorted_tables)

# Since Alembic 1.18 comparisons have a priority; before, the first to register ran first.
_priorities = getattr(alembic.util, "DispatchPriority", None)
_last: dict[str, Any] = {} if _priorities is None else {"priority": _priorities.LAST}


@comparators.dispatch_for("schema", **_last)
def forget_ours(context: AutogenContext, proposals: UpgradeOps, schemas: set[str | None]) -> None:
    """Remove from *proposals* what would touch the tables of gendurable."""
    if not context.opts.get(OWN):
        ours = _Ours(context.inspector)
        proposals.ops[:] = [each for each in proposals.ops if not ours.concerns(each)]


class _Ours:
    """Which tables of a database are gendurable's: those in a schema that has been installed."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector
        self._schemas: dict[str | None, bool] = {SCHEMA: True}

    def concerns(self, proposal: MigrateOperation) -> bool:
        """Say whether *proposal* is about a table of ours, or about an index on one."""
        table = getattr(proposal, "table_name", None)
        return table in _TABLES and self._installed(getattr(proposal, "schema", None))

    def _installed(self, schema: str | None) -> bool:
        if schema not in self._schemas:
            self._schemas[schema] = self._columns(schema) >= {"only", "id", "revision"}
        return self._schemas[schema]

    def _columns(self, schema: str | None) -> set[str]:
        if not self._inspector.has_table("installation", schema=schema):
            return set()
        return {each["name"] for each in self._inspector.get_columns("installation", schema)}
