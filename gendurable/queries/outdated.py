"""What a server has prepared for a table whose columns have other types by now.

It refuses to run that, in each session that has prepared it. Drivers forget what they prepared at
a ROLLBACK; a connection that commits by itself never sees one, and would be refused for ever.
"""

from __future__ import annotations

from sqlalchemy import Engine, PoolProxiedConnection


def is_outdated(error: BaseException) -> bool:
    """Whether what failed is in order, and would be prepared anew by another session."""
    diagnosis = getattr(getattr(error, "orig", None) or error, "diag", None)
    return getattr(diagnosis, "source_function", None) == "RevalidateCachedQuery"


def renew_outdated(
    engine: Engine, pooled: PoolProxiedConnection | None, error: BaseException
) -> None:
    """After such an error have the pool replace what is as old as *pooled* before it is lent."""
    if pooled is not None and is_outdated(error):
        engine.pool._invalidate(pooled, error, _checkin=False)
