"""Loose index scans: from one value in use to the next, however many rows bear each."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CTE, ColumnElement, FromClause, func, literal_column, select

from gendurable.queries.parts import instances

_one: ColumnElement[int] = literal_column("1")


def lanes(in_queue: ColumnElement[bool], begins: ColumnElement[bool]) -> CTE:
    """The priorities in use in a queue.

    It has a first one only if *begins* holds, and else finds nothing.
    """
    first = (
        select(instances.c.priority)
        .where(in_queue, begins)
        .order_by(instances.c.priority)
        .limit(_one)
    )
    steps = select(first.scalar_subquery().label("priority")).cte("lanes", recursive=True)
    following = (
        select(instances.c.priority)
        .where(in_queue, instances.c.priority > steps.c.priority)
        .order_by(instances.c.priority)
        .limit(_one)
        .correlate(steps)
    )
    return steps.union_all(select(following.scalar_subquery()).where(steps.c.priority.isnot(None)))


def fronts(
    keys: CTE, limit: ColumnElement[Any], waiting: ColumnElement[bool]
) -> tuple[CTE, FromClause]:
    """Of each of the *keys* the queues in which rows wait for it, and the most urgent row of each.

    *limit* is the column that bears the key. The row is locked, or passed over if somebody has it.
    """
    lanes = select(
        keys.c.key,
        select(func.min(instances.c.queue))
        .where(waiting, limit == keys.c.key)
        .correlate(keys)
        .scalar_subquery()
        .label("queue"),
    ).cte("lanes", recursive=True)
    lanes = lanes.union_all(
        select(
            lanes.c.key,
            select(func.min(instances.c.queue))
            .where(waiting, limit == lanes.c.key, instances.c.queue > lanes.c.queue)
            .correlate(lanes)
            .scalar_subquery(),
        ).where(lanes.c.queue.isnot(None))
    )
    head = (
        select(instances.c.id)
        .where(waiting, limit == lanes.c.key, instances.c.queue == lanes.c.queue)
        .order_by(instances.c.priority, instances.c.eligible_at, instances.c.id)
        .limit(_one)
        .with_for_update(key_share=True, skip_locked=True)
        .correlate(lanes)
        .lateral("head")
    )
    return lanes, head
