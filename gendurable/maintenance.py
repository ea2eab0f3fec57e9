"""Looking after an installation: does this build fit its rows, is it well, what is going on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from gendurable.callers import working

# What follows is imported where it is used: a process that runs steps needs none of it.
if TYPE_CHECKING:
    from gendurable.engine.findings import Checked, Upgraded
    from gendurable.engine.numbers import Stats
    from gendurable.engine.slowness import Verdict
    from gendurable.engine.survey import Progress
    from gendurable.queries.statement import Database
    from gendurable.registry import Catalogue
    from gendurable.settings import Settings


class Maintenance:
    """The part of a binding that looks after all of its rows at once."""

    db: Database
    catalogue: Catalogue
    settings: Settings

    def check(self, progress: Progress | None = None) -> Checked:
        """Compare this build with all live rows; changes nothing.

        It finds every (machine, version, step) that rows stand at and this build lacks, every
        stored state that does not load here, and steps that the code goes to but does not have.

        Args:
            progress: is called with how many rows were read, and how many there are.
        """
        from gendurable.engine import survey

        return survey.check(self._begin, self.db, self.catalogue, progress)

    def upgrade_state(self, progress: Progress | None = None) -> Upgraded:
        """Bring idle rows of old versions up to this build, and put back what it can run again.

        A row that a step is executing is left: it is brought up when it is next claimed. May be
        called any number of times, beside running workers.

        Args:
            progress: is called with how many rows were brought up, and how many there are.
        """
        from gendurable.engine import survey

        answer = survey.upgrade(
            self._begin,
            self.db,
            self.catalogue,
            max_size=self.settings.max_size,
            progress=progress,
        )
        with working(self._operations, None) as work:
            work.queues |= answer.queues
        return answer

    def doctor(self) -> tuple[Verdict, ...]:
        """Return a verdict on each invariant of a live database, and on what slows it down."""
        from gendurable.engine import diagnosis

        with self._begin() as conn:
            return diagnosis.examine(conn, self.db, self.settings)

    def stats(self) -> Stats:
        """Return how many instances stand where, how many have ended lately, and the workers."""
        from gendurable.engine import numbers

        with self._begin() as conn:
            return numbers.stats(conn, self.db)

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        """Open a transaction; a schema that is missing says so."""
        with working(self._operations, None) as work:
            yield work.conn

    @property
    def _operations(self) -> Any:
        return self
