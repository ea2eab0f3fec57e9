"""The revisions in the order in which they are applied."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol, cast

from alembic.runtime.migration import MigrationContext
from alembic.util import load_python_file

from gendurable.errors import SchemaError

#: What a host adds to Alembic's ``version_locations``.
LOCATION = str(Path(__file__).parent / "versions")
#: The files of our revisions. A host that lists the folder may have made Alembic put others there.
_OURS = "gendurable_[0-9][0-9][0-9][0-9].py"

log = logging.getLogger("gendurable")


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
    here = Path(LOCATION)
    ours = sorted(file.name for file in here.glob(_OURS))
    for other in sorted({file.name for file in here.glob("*.py")} - set(ours)):
        log.warning(
            "%s lies among the revisions of gendurable in %s, where a new environment will not"
            " have it: move it to your own versions, and see --version-path of alembic revision",
            other,
            LOCATION,
        )
    return tuple(cast(Revision, load_python_file(LOCATION, name)) for name in ours)


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
