"""Group commit: many outcomes in one transaction, and what goes wrong kept from the others."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from gendurable.engine.commit import commit, is_one_statement
from gendurable.engine.faults import is_refusal, is_transient, sqlstate
from gendurable.engine.nouns import Committed, Finished
from gendurable.queries import outcomes
from gendurable.retry import jitter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from gendurable.queries.statement import Database

#: How long the two things that may wait (a parent, a child's key) do so before others go on.
PATIENCE = text("SET LOCAL lock_timeout = '200ms'")
LOCK_NOT_AVAILABLE = "55P03"
TRIES = 8


class Begin(Protocol):
    """Opens the transactions of a group commit."""

    def __call__(self, *, single: bool = False) -> AbstractContextManager[Connection]:
        """Begin one; a *single* statement may be its own."""
        ...


def commit_group(
    begin: Begin,
    db: Database,
    worker: str,
    batch: Sequence[Finished],
    *,
    ttl: float | None = None,
) -> Committed:
    """Commit a batch in as few transactions as it allows.

    Outcomes whose children bear correlation keys go one by one, since their insert may wait for
    somebody's open transaction. What the database refuses is found by halving the batch.

    Raises:
        DBAPIError: the database is away; nothing is known of what was not yet committed.
    """
    answer = Committed()
    plain = [one for one in batch if not one.keyed]
    if plain:
        answer.add(_isolate(begin, db, worker, plain, ttl))
    for one in batch:
        if one.keyed:
            answer.add(_patiently(begin, db, worker, [one], ttl, wait_parents=False))
    return answer


def commit_after_parents(
    begin: Begin,
    db: Database,
    worker: str,
    batch: Sequence[Finished],
    *,
    ttl: float | None = None,
) -> Committed:
    """Commit outcomes whose parents were held: wait for those, but not for long.

    Without the wait the committers of one large fan-out would fall apart into single rows.
    """
    return _patiently(begin, db, worker, batch, ttl, wait_parents=True)


def _isolate(
    begin: Begin, db: Database, worker: str, batch: Sequence[Finished], ttl: float | None
) -> Committed:
    """Commit *batch*, halving it until a refused outcome stands alone."""
    try:
        return _transact(begin, db, worker, batch, ttl)
    except DBAPIError as error:
        if not is_refusal(error):
            raise
        if len(batch) == 1:
            return Committed(refused=[(batch[0], error)])
    middle = len(batch) // 2
    answer = _isolate(begin, db, worker, batch[:middle], ttl)
    answer.add(_isolate(begin, db, worker, batch[middle:], ttl))
    return answer


def _transact(
    begin: Begin, db: Database, worker: str, batch: Sequence[Finished], ttl: float | None
) -> Committed:
    """Run one transaction, again after a deadlock or a lost race."""
    single = all(map(is_one_statement, batch))
    for attempt in range(TRIES):
        try:
            with begin(single=single) as conn:
                return commit(conn, db, worker, batch, ttl=ttl)
        except DBAPIError as error:
            if not is_transient(error) or attempt == TRIES - 1:
                raise
            time.sleep(jitter(0.001 * 2**attempt))
    raise AssertionError("unreachable")


def _patiently(
    begin: Begin,
    db: Database,
    worker: str,
    batch: Sequence[Finished],
    ttl: float | None,
    *,
    wait_parents: bool,
) -> Committed:
    """Run one transaction that may wait for a lock, for at most the patience."""
    try:
        with begin() as conn:
            conn.execute(PATIENCE)
            if wait_parents:
                parents = {one.claim.parent_id for one in batch if one.claim.parent_id}
                outcomes.lock(conn, db, parents, wait=True)
            return commit(conn, db, worker, batch, ttl=ttl)
    except DBAPIError as error:
        if sqlstate(error) == LOCK_NOT_AVAILABLE or is_transient(error):
            return Committed(
                parent_skipped=list(batch) if wait_parents else [],
                skipped=[] if wait_parents else list(batch),
            )
        if not is_refusal(error):
            raise
        if len(batch) == 1:
            return Committed(refused=[(batch[0], error)])
    return _isolate(begin, db, worker, batch, ttl)
