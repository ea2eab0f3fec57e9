"""Counting ended children: one row a barrier, however many ended in a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def count_barriers(ended: Iterable[tuple[int | None, int | None, bool]]) -> list[str]:
    """Sum up ended children, given as (parent, its round, done), into encoded rows."""
    sums: dict[tuple[int, int | None], list[int]] = {}
    for parent, in_round, done in ended:
        if parent is not None:
            entry = sums.setdefault((parent, in_round), [0, 0])
            entry[0] += 1
            entry[1] += done
    return [
        f'{{"parent_id":{parent},"round":{in_round},"ended":{ended_},"done":{done}}}'
        for (parent, in_round), (ended_, done) in sums.items()
    ]
