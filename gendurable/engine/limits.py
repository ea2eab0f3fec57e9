"""What is allowed: limits as bindings declare them and operators override them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gendurable.errors import GenDurableError, InvalidInput, UnknownLimit
from gendurable.queries import buckets, policies
from gendurable.settings import ConcurrencyLimit, RateLimit

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gendurable.queries.statement import Database
    from gendurable.settings import Settings
    from gendurable.spawn import Spawn

#: How many idle buckets are looked at in one turn.
BATCH = 1_000

#: The kinds of limits, and the values that each takes.
KINDS: Mapping[type[ConcurrencyLimit | RateLimit], str] = {
    ConcurrencyLimit: "key",
    RateLimit: "rate",
}


@dataclass(frozen=True, slots=True)
class StoredLimit:
    """A limit as the database has it; of one kind and name the override is in force, if any."""

    name: str
    #: "binding" as a worker wrote it at its start, "override" as ``set_limit`` did.
    source: str
    limit: ConcurrencyLimit | RateLimit

    @property
    def kind(self) -> str:
        """Return "key" for a concurrency limit, "rate" for a rate."""
        return KINDS[type(self.limit)]


def encode(name: str, limit: ConcurrencyLimit | RateLimit) -> str:
    """Return the JSON object of a limit's row."""
    fields: dict[str, object] = {"kind": KINDS[type(limit)], "name": name}
    if isinstance(limit, RateLimit):
        fields |= {
            "amount": limit.allowance,
            "per_us": limit.per_us,
            "burst": limit.burst,
        }
    else:
        fields["amount"] = limit.limit
    return json.dumps(fields)


def declare(conn: Connection, db: Database, settings: Settings) -> None:
    """Write down what a binding declares; what others have declared stays."""
    entries = [encode(*item) for item in sorted(settings.concurrency_limits.items())]
    entries += [encode(*item) for item in sorted(settings.rate_limits.items())]
    if entries:
        policies.store(conn, db, entries, "binding")


def override(
    conn: Connection, db: Database, name: str, limit: ConcurrencyLimit | RateLimit
) -> None:
    """Let *limit* win over what bindings declare, until it is reset."""
    policies.store(conn, db, [encode(name, limit)], "override")


def reset(conn: Connection, db: Database, name: str) -> bool:
    """Take the overrides of *name* back; say whether there was one."""
    names = json.dumps([{"kind": kind, "name": name} for kind in KINDS.values()])
    return policies.reset(conn, db, names) > 0


def stored(conn: Connection, db: Database) -> list[StoredLimit]:
    """Return all limits that the database has; an override before what it overrides."""
    return [
        StoredLimit(
            name,
            source,
            ConcurrencyLimit(amount)
            if kind == "key"
            else RateLimit(amount, per=per_us / 1_000_000, burst=burst),
        )
        for kind, name, source, amount, per_us, burst in policies.all_(conn, db)
    ]


def bursts(conn: Connection, db: Database, settings: Settings) -> dict[str, int]:
    """Return the burst of each rate that is in force, by name."""
    found = {name: rate.burst or 0 for name, rate in settings.rate_limits.items()}
    known: set[str] = set()
    for kind, name, _, _, _, burst in policies.all_(conn, db):
        if kind == "rate" and name not in known:
            known.add(name)
            found[name] = burst
    return found


class Bursts(dict[str, int]):
    """What fits into the bucket of each rate, by name: a copy that can be made anew."""

    def __init__(
        self, known: Mapping[str, int], renew: Callable[[], Mapping[str, int] | None]
    ) -> None:
        super().__init__(known)
        self._renew = renew

    def renewed(self) -> Mapping[str, int]:
        """Return what the database says now; this copy, if that cannot be known in a moment."""
        found = self._renew()
        return self if found is None else found


def forget(conn: Connection, db: Database) -> None:
    """Drop buckets that have long been full again: a bucket that is not there is full."""
    buckets.forget(conn, db, BATCH)


def width(conn: Connection, db: Database, key: str) -> int:
    """Return how many rows of *key* may execute at once."""
    for one in stored(conn, db):  # an override comes before what it overrides
        if one.name == name_of(key) and isinstance(one.limit, ConcurrencyLimit):
            return one.limit.limit
    return 1


def check(conn: Connection, db: Database, settings: Settings, rated: Sequence[Spawn]) -> None:
    """Refuse rates that nobody configures and weights that could never be met.

    Raises:
        UnknownLimit: neither the binding nor the database has such a rate.
        InvalidInput: a weight is above the burst.
    """
    if rated:
        check_rates(conn, db, settings, [(str(one.rate_limit), one.weight) for one in rated])


def check_spec(conn: Connection, db: Database, settings: Settings, spec: str) -> None:
    """Refuse what ``check`` refuses of a row that was encoded before, as JSON."""
    row = json.loads(spec)
    if row.get("rate_limit") is not None:
        check_rates(conn, db, settings, [(row["rate_limit"], row.get("weight", 1))])


def check_rates(
    conn: Connection, db: Database, settings: Settings, rated: Iterable[tuple[str, int]]
) -> None:
    """Refuse what ``check`` refuses, by keys and weights."""
    allowed = bursts(conn, db, settings)
    for key, weight in rated:
        if name_of(key) not in allowed:
            raise UnknownLimit(
                f"rate_limit={key!r}: there is no limit {name_of(key)!r};"
                " add it to bind(rate_limits=...), or call set_limit"
            )
        check_weight(key, weight, allowed)


def check_weight(
    rate: str,
    weight: int,
    allowed: Mapping[str, int],
    error: type[GenDurableError] = InvalidInput,
) -> None:
    """Refuse a weight above the burst of its rate, if that is known.

    Raises:
        GenDurableError: *error*, naming both.
    """
    burst = allowed.get(name_of(rate))
    if burst is not None and weight > burst:
        raise error(
            f"weight={weight} is above the burst {burst} of {name_of(rate)!r}: so many tokens are"
            " never in its bucket"
        )


def name_of(key: str) -> str:
    """Return the name that a key is matched by: the part before the first colon."""
    return key.partition(":")[0]
