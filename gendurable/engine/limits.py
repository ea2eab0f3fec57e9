"""Concurrency keys and rates: the table has room for them, and this release refuses them.

A key that was accepted and not enforced would let more run at once than its author allows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gendurable.errors import GenDurableError, InvalidInput, UnknownLimit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gendurable.settings import RateLimit
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


def check(spawn: Spawn, rate_limits: Mapping[str, RateLimit]) -> None:
    """Refuse a rate that nobody configures or that could never be met, then any limit at all.

    Raises:
        UnknownLimit: the binding has no such rate.
        InvalidInput: the weight is above the burst; or it is a limit, which nothing enforces yet.
    """
    if spawn.rate_limit is not None:
        name = str(spawn.rate_limit).partition(":")[0]
        policy = rate_limits.get(name)
        if policy is None:
            raise UnknownLimit(
                f"rate_limit={spawn.rate_limit!r}: there is no limit {name!r};"
                " add it to bind(rate_limits=...)"
            )
        if policy.burst is not None and spawn.weight > policy.burst:
            raise InvalidInput(
                f"weight={spawn.weight} is above the burst {policy.burst} of {name!r}"
            )
    refuse(spawn.concurrency_key, spawn.rate_limit)
