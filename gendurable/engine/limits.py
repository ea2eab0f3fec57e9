"""Concurrency keys and rates: the table has room for them, and this release refuses them.

A key that was accepted and not enforced would let more run at once than its author allows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gendurable.errors import GenDurableError, InvalidInput

if TYPE_CHECKING:
    from gendurable.spawn import Spawn


def refuse(
    concurrency_key: object, rate_limit: object, error: type[GenDurableError] = InvalidInput
) -> None:
    """Refuse a concurrency key or a rate, which nothing enforces yet.

    Raises:
        GenDurableError: *error*, naming the argument and its value.
    """
    for name, value in (("concurrency_key", concurrency_key), ("rate_limit", rate_limit)):
        if value is not None:
            raise error(
                f"{name}={value!r}: this release does not enforce limits yet, so it takes none;"
                " leave it out, or use a queue with as many slots as may run at once"
            )


def refuse_limited(spawn: Spawn, error: type[GenDurableError] = InvalidInput) -> None:
    """Refuse an instance that is to be limited."""
    refuse(spawn.concurrency_key, spawn.rate_limit, error)
