"""What keeps a due instance from running when a limit does: tokens, or a concurrency key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gendurable.engine import limits
from gendurable.engine.explanation import Explanation, Reason, View, at
from gendurable.queries import explain as query

#: How many holders of a key are named at most.
HOLDERS = 100
#: What comes later than this never comes: a bucket without a rate says so by a hundred years.
GENERATION = timedelta(days=20_000)


def for_tokens(view: View) -> Explanation | None:
    """What waits for tokens, or for a policy that says how many there are."""
    row = view.row
    if row.blocked != "rate":
        return None
    name = row.rate_limit.partition(":")[0]
    details = {"rate_limit": row.rate_limit, "weight": row.weight}
    if name not in limits.bursts(view.conn, view.db, view.settings):
        text = f"It waits for tokens of {row.rate_limit!r}; no rate limit {name!r} is known here"
        return Explanation(Reason.UNKNOWN_LIMIT, text, details)
    text = f"It waits for tokens of {row.rate_limit!r}, of which it takes {row.weight}"
    head_at = query.head_at(view.conn, view.db, row.rate_limit)
    if head_at is not None and head_at - datetime.now(UTC) > GENERATION:
        text += ", and its bucket never refills"
    elif head_at is not None:
        text += f"; the first of those who wait for them may start at {at(head_at)}"
        details["refills_at"] = head_at
    return Explanation(Reason.NO_TOKENS, text, details)


def for_a_key(view: View) -> Explanation | None:
    """What waits for a concurrency key, and who holds that."""
    row = view.row
    key = row.concurrency_key
    if key is None:
        return None
    width = limits.width(view.conn, view.db, key)
    holders = query.holders(view.conn, view.db, key, max(width, HOLDERS))
    if row.blocked != "key" and len(holders) < width:
        return None
    if not holders:
        text = f"It waits for its turn at key {key!r}, which nobody holds: that comes in a moment"
        return Explanation(Reason.KEY_HELD, text, {"concurrency_key": key, "holders": ()})
    first = holders[0]
    text = (
        f"Its key {key!r} is held by instance {first.id} on worker {first.locked_by},"
        f" lease until {at(first.lease_expires_at)}"
    )
    if len(holders) > 1:
        text += f", and by {len(holders) - 1} more"
    details = {"concurrency_key": key, "holders": tuple(one.id for one in holders[:HOLDERS])}
    return Explanation(Reason.KEY_HELD, text, details)
