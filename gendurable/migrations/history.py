"""The revisions in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol, cast

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from gendurable.errors import SchemaError

_HERE = Path(__file__).parent

#: What a host adds to Alembic's ``version_locations``.
LOCATION = str(_HERE / "versions")


class Op(Protocol):
    """What a revision needs of Alembic: ``alembic.op`` and any ``Operations`` have it."""

    def execute(self, sqltext: Any) -> None:
        """Run a statement, or print it when Alembic runs with ``--sql``."""

    def get_context(self) -> MigrationContext:
        """Return the context of the running migration."""
        ...


class Revision(Protocol):
    """One file of ``versions``: Alembic runs it, and so do ``upgrade`` and ``downgrade``."""

    revision: str
    down_revision: str | None

    def up(self, op: Op, schema: str) -> None:
        """Make the change in *schema*."""

    def down(self, op: Op, schema: str) -> None:
        """Undo the change in *schema*."""


@cache
def revisions() -> Sequence[Revision]:
    """Return all revisions that this release knows, oldest first."""
    newest_first = ScriptDirectory(str(_HERE)).walk_revisions()
    return tuple(cast(Revision, script.module) for script in newest_first)[::-1]


def head() -> str:
    """Return the id of the newest revision."""
    return revisions()[-1].revision


def position(revision: str | None) -> int:
    """Return how many revisions lead up to *revision*; None is the empty database.

    Raises:
        SchemaError: this release does not know the revision.
    """
    known = [None, *(each.revision for each in revisions())]
    if revision not in known:
        raise SchemaError(
            f"gendurable revision {revision!r} is unknown here; this release knows "
            f"{', '.join(map(repr, known[1:]))}: is a newer release of gendurable needed?"
        )
    return known.index(revision)
