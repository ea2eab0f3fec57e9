"""Whom an operation means: found, locked after its parent, and not the step that calls it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gendurable.engine import current
from gendurable.errors import InvalidInput, NoTarget
from gendurable.queries import lookup, outcomes
from gendurable.sessions import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from gendurable.queries.statement import Database

#: How often a family is tried for before its lock is waited for with the parent's in hand.
TRIES = 8


def no_target(target: int | str, *, live: bool = False) -> NoTarget:
    """Return the error for a target that is not there, or was to be *live* and is not."""
    uncommitted = "or the transaction that inserts it may not have committed"
    if not isinstance(target, int):
        return NoTarget(
            f"no live instance with key {target!r} is visible here; it may have ended (then name"
            f" it by its id), {uncommitted}"
        )
    if live:
        return NoTarget(
            f"no live instance {target} is visible here; it may have ended, {uncommitted}"
        )
    return NoTarget(
        f"no instance {target} is visible here; it may have been deleted, {uncommitted}"
    )


def ended(row: Any, what: str) -> NoTarget:
    """Return the error for the instance of *row*, which has ended: only live ones can *what*."""
    return NoTarget(
        f"instance {row.id} has ended, {row.status}: only live instances can be {what};"
        " retry() or rewind() brings it back to life"
    )


def locked(conn: Connection, db: Database, target: int | str) -> Any:
    """Lock the instance that *target* names, after its parent, and return it as it is then.

    Raises:
        NoTarget: there is none.
        InvalidInput: this would wait for the session of the step that runs here.
    """
    for _ in range(3):  # a key may pass to another instance while its holder is waited for
        seen = lookup.find(conn, db, target)
        if seen is None:
            break
        refuse_to_wait(conn, db, [seen.parent_id])
        _lock_family(conn, db, seen.id, seen.parent_id)
        row = lookup.find(conn, db, target)
        if row is not None and row.id == seen.id:
            return row
    raise no_target(target)


def _lock_family(conn: Connection, db: Database, id: int, parent_id: int | None) -> None:
    """Lock a row and its parent, without holding the one while somebody holds the other.

    Or all the family would wait, none of which can end without the parent.
    """
    ids = {id} if parent_id is None else {id, parent_id}
    for _ in range(TRIES if len(ids) > 1 else 0):
        savepoint = conn.begin_nested()
        missing = ids - outcomes.lock(conn, db, ids).keys()
        held = missing and outcomes.look(conn, db, missing)  # a parent may have been deleted
        if not held:
            savepoint.commit()
            return
        savepoint.rollback()
        with suppress(_LetGo), conn.begin_nested():
            outcomes.lock(conn, db, [max(held)], wait=True)
            raise _LetGo
    outcomes.lock(conn, db, ids, wait=True)


class _LetGo(Exception):
    """Undoes a savepoint, and with it the locks that were taken since."""


def refuse_self(ids: Iterable[int], me: int | None, what: str) -> None:
    """Refuse what a step does to its own instance."""
    if me is not None and me in ids:
        raise InvalidInput(f"a step cannot {what} its own instance {me}; return an outcome instead")


def refuse_to_wait(conn: Connection, db: Database, parents: Iterable[int | None]) -> None:
    """Refuse what a step does to its own children beside its session, which may hold their parent.

    Raises:
        InvalidInput: the step would wait for itself, for ever.
    """
    scope = current.step()
    if scope is None or not scope.used or scope.works_on(conn) or scope.claim.id not in parents:
        return
    here, there = scope.durable, place_of(conn.engine)
    if here.db.schema == db.schema and place_of(here.engine) == there:
        raise InvalidInput(
            f"this concerns children of instance {scope.claim.id}, whose step has worked in its"
            " session: give session=ctx.session, or this call would wait for that session for ever"
        )


def ancestors(conn: Connection, db: Database, me: int) -> set[int]:
    """Return *me*, its parent, that one's parent and so on: whoever's cascade would reach *me*."""
    found: set[int] = set()
    one: Any = lookup.find(conn, db, me)
    while one is not None:
        found.add(one.id)
        one = None if one.parent_id is None else lookup.find(conn, db, one.parent_id)
    return found
