"""What an error of the database means for the engine: again, away, too old, or refused."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

#: Deadlock, serialization failure, lock not available: the same transaction may succeed again.
TRANSIENT = frozenset({"40P01", "40001", "55P03"})
#: Shutdown, crash, not yet accepting, idle sessions ended: the connection is gone.
GONE = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03"})
#: A column, function, table or schema that is not there.
MISSING = frozenset({"3F000", "42P01", "42703", "42883", "42704"})


def sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE of *error*, if the server gave one."""
    original = getattr(error, "orig", None) or error
    code = getattr(original, "sqlstate", None)
    return code if isinstance(code, str) else None


def is_transient(error: BaseException) -> bool:
    """Whether the same transaction may succeed when it is run again."""
    return sqlstate(error) in TRANSIENT


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone, or the server has no room: wait, then try again."""
    code = sqlstate(error)
    if code is not None:
        return code in GONE or code[:2] in ("08", "53")
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
