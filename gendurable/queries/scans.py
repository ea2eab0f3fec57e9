"""Loose index scans: from one value in use to the next, however many rows bear each."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    and_,
    case,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
    true,
)

from gendurable.queries.parts import (
    CLAIMABLE,
    EXECUTING,
    NOW,
    in_force,
    instances,
    is_open,
    limits,
    nodes,
    waits,
)

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
    keys: CTE, limit: ColumnElement[Any], waiting: ColumnElement[bool], *more: ColumnElement[Any]
) -> tuple[CTE, FromClause]:
    """Of each of the *keys* the queues in which rows wait for it, and the most urgent row of each.

    *limit* is the column that bears the key, *more* is read of each row. Who is held by somebody
    is passed over.
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
        select(instances.c.id, *more)
        .where(waiting, limit == lanes.c.key, instances.c.queue == lanes.c.queue)
        .order_by(instances.c.priority, instances.c.eligible_at, instances.c.id)
        .limit(_one)
        .with_for_update(key_share=True, skip_locked=True)
        .correlate(lanes)
        .lateral("head")
    )
    return lanes, head


def contends(queue: ColumnElement[Any], key: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a row of *queue* with this concurrency *key* could start if it had its tokens.

    Somebody has to serve the queue; where no worker lives at all, a test runs what it likes.
    """
    lives = nodes.c.beat_at > NOW - literal_column("interval '30 seconds'")
    executing = (
        select(func.count())
        .where(instances.c.status == EXECUTING, instances.c.concurrency_key == key)
        .scalar_subquery()
    )
    width = func.coalesce(in_force("key", key, limits.c.amount).scalar_subquery(), _one)
    return and_(
        is_open(queue),
        or_(exists().where(lives, queue == func.any(nodes.c.queues)), ~exists().where(lives)),
        or_(key.is_(None), executing < width),
    )


def turns(keys: CTE) -> FromClause:
    """The rows whose turn it is to take tokens and that stand before the claim, by bucket."""
    return (
        select(
            instances.c.id,
            instances.c.queue,
            instances.c.eligible_at,
            instances.c.weight,
            (keys.c.turn_until > NOW).label("waited_for"),
        )
        .where(
            instances.c.id == keys.c.turn_id,
            instances.c.rate_limit == keys.c.key,
            case((CLAIMABLE, true()), else_=false()),  # calls for no index but the primary key
            is_open(instances.c.queue),
        )
        .correlate(keys)
        .lateral("turn")
    )


def rival(locked: CTE, mine: ColumnElement[Any], turn: FromClause) -> FromClause:
    """Of the rows that wait for each bucket at the head of other queues the one that is first.

    A queue whose row does not take its *turn* counts for nothing: it waits for something else.
    """
    lanes, head = fronts(
        locked,
        instances.c.rate_limit,
        waits("rate"),
        instances.c.eligible_at,
        instances.c.weight,
        instances.c.concurrency_key,
    )
    rivals = (
        select(lanes.c.key, lanes.c.queue, *head.c)
        .select_from(lanes.join(head, true()))
        .where(lanes.c.queue != mine, contends(lanes.c.queue, head.c.concurrency_key))
        .cte("rivals")
        .prefix_with("MATERIALIZED")
    )
    return (
        select(rivals.c.id, rivals.c.eligible_at, rivals.c.weight)
        .where(rivals.c.key == locked.c.key, rivals.c.queue.is_distinct_from(turn.c.queue))
        .order_by(rivals.c.eligible_at, rivals.c.id)
        .limit(_one)
        .correlate(locked, turn)
        .lateral("rival")
    )
