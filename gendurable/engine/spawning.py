"""From an object and its options to the row of a new instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from gendurable.errors import InvalidOutcome, StateError
from gendurable.state import dump_json, dump_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gendurable.spawn import Spawn

#: Rows that one statement takes.
CHUNK = 10_000


def encode_row(spawn: Spawn, max_size: int) -> str:
    """Return the JSON object of a new row, yet without its place in a batch.

    Raises:
        StateError: the object's state cannot be stored.
    """
    machine = type(spawn.obj).__machine__
    fields: dict[str, Any] = {
        "fsm": machine.name,
        "fsm_version": machine.version,
        "step": machine.initial,
        "queue": spawn.queue or machine.queue,
        "priority": spawn.priority,
        "weight": spawn.weight,
    }
    if spawn.delay is not None:
        fields["delay"] = spawn.delay
    if spawn.at is not None:
        fields["due"] = spawn.at.isoformat()
    if spawn.correlation_key is not None:
        fields["correlation_key"] = spawn.correlation_key
        fields["correlation_scope"] = spawn.correlation_scope
    if spawn.concurrency_key is not None:
        fields["concurrency_key"] = spawn.concurrency_key
    if spawn.rate_limit is not None:
        fields["rate_limit"] = spawn.rate_limit
    headers = ""
    if spawn.headers:
        headers = f',"headers":{dump_json(spawn.headers, "headers", max_size=max_size)}'
    state = dump_state(spawn.obj, max_size=max_size)
    return f'{to_json(fields).decode()[:-1]},"state":{state}{headers}}}'


def in_key_order(spawns: Sequence[Spawn]) -> Sequence[int]:
    """Return the order in which to insert a batch, as places in it.

    A statement takes its keys in the order of their bytes. A batch that needs several must do so
    as a whole, or it could hold a late key while it waits for an early one, and so could another.
    """
    if len(spawns) <= CHUNK:
        return range(len(spawns))
    keys = [spawn.correlation_key for spawn in spawns]
    return sorted(range(len(spawns)), key=lambda n: (keys[n] is None, keys[n] or ""))


def encode_child(spawn: Spawn, max_size: int) -> str:
    """Encode a child that a step schedules: what is wrong with it is an error of that step."""
    try:
        return encode_row(spawn, max_size)
    except StateError as error:
        raise InvalidOutcome(f"a child cannot be stored: {error}") from error


def numbered(rows: Iterable[str]) -> Iterator[str]:
    """Give each encoded row its place in the batch."""
    return (f'{{"n":{n},{row[1:]}' for n, row in enumerate(rows))


def adopted(rows: Iterable[str], parent_id: int, parent_round: int) -> Iterator[str]:
    """Give each encoded row its parent, and the round of the parent that it belongs to."""
    return (f'{{"parent_id":{parent_id},"parent_round":{parent_round},{row[1:]}' for row in rows)
