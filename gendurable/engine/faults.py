"""What an error of the database means for the engine: again, away, too old, or refused."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from gendurable.queries.outdated import is_outdated

#: Deadlock, serialization failure: somebody had to give way, and may try again.
CONFLICT = frozenset({"40P01", "40001"})
#: The same, and a lock that was not to be had in time: the engine tries its own transactions again.
TRANSIENT = CONFLICT | {"55P03"}
#: A unique index has the row of somebody else.
UNIQUE = "23505"
#: Shutdown, crash, not yet accepting; with class 08, what a lost connection is told.
DISCONNECTED = frozenset({"57P01", "57P02", "57P03"})
#: Sessions that idled in a transaction are ended, or this is a standby: not now, not here.
UNAVAILABLE = frozenset({"25P03", "25006"})
#: Lost connections, no resources, an operator who intervened (timeouts too), a failing disk.
AWAY = frozenset({"08", "53", "57", "58"})
#: A column, function, table or schema that is not there.
MISSING = frozenset({"3F000", "42P01", "42703", "42883", "42704"})


def sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE of *error*, if the server gave one."""
    original = getattr(error, "orig", None) or error
    code = getattr(original, "sqlstate", None)
    return code if isinstance(code, str) else None


def is_transient(error: BaseException) -> bool:
    """Whether the same transaction may succeed when it is run again."""
    return sqlstate(error) in TRANSIENT or is_outdated(error)


def is_conflict(error: BaseException) -> bool:
    """Whether a transaction had to give way to another one, or to a change of the tables."""
    return sqlstate(error) in CONFLICT or is_outdated(error)


def is_lost_race(error: BaseException) -> bool:
    """Whether a claim met another one in a slot, or had to give way to it: it is repeated."""
    return is_conflict(error) or sqlstate(error) == UNIQUE


def is_disconnect(error: BaseException) -> bool:
    """Whether the connection is gone through no fault of whoever used it.

    A timeout that its own doing ran into is none, or a step that is too slow would run for ever.
    """
    code = sqlstate(error)
    if code is not None:
        return code in DISCONNECTED or code[:2] == "08"
    return _is_gone(error)


def is_lost(error: BaseException) -> bool:
    """Whether the database cannot serve the engine now: wait, then try again."""
    code = sqlstate(error)
    if code is not None:
        return code in UNAVAILABLE or code[:2] in AWAY
    return _is_gone(error)


def _is_gone(error: BaseException) -> bool:
    """Whether an error that the server did not put a code to says that it is not there."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, (OperationalError, InterfaceError, ConnectionError))


def is_missing(error: BaseException) -> bool:
    """Whether the schema is not there, or older than this release."""
    return sqlstate(error) in MISSING


def is_refusal(error: BaseException) -> bool:
    """Whether the database refuses the data: somebody in the batch is the culprit."""
    if not isinstance(error, DBAPIError):
        return False
    return not (is_transient(error) or is_lost(error) or is_missing(error))
