"""From an object and its options to the row of a new instance."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from gendurable.errors import InvalidOutcome, StateError
from gendurable.queries.enqueue import BLANK, HEAD, PREFIX, STATE, USUAL
from gendurable.spawn import machine_of
from gendurable.state import dump_json, dump_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gendurable.queries.enqueue import Row
    from gendurable.spawn import Spawn

#: Rows that one statement takes.
CHUNK = 10_000
#: Of a row without options.
_PRIORITY, _WEIGHT = 0, 1


def encode_row(spawn: Spawn, max_size: int) -> Row:
    """Return a new row as JSON: what it shares with others of its kind, and the rest.

    Raises:
        StateError: the object's state cannot be stored.
    """
    head = head_of(spawn)
    options = _options(spawn)
    if options:
        head += f"{to_json(options).decode()[1:-1]},"
    row = with_state(head, spawn.obj, max_size)
    if spawn.headers:
        row += f',"headers":{dump_json(spawn.headers, "headers", max_size=max_size)}'
    return row


def head_of(spawn: Spawn) -> str:
    """Return the first line of an encoded row."""
    return _head(*_kind(spawn))


def with_state(head: str, obj: Any, max_size: int) -> Row:
    """Return the encoded row of an object that has no options.

    Raises:
        StateError: the object's state cannot be stored.
    """
    return f'{head}"state":{dump_state(obj, max_size=max_size)}'


def parameters_of(spawn: Spawn, max_size: int) -> dict[str, Any]:
    """Return the parameters that insert a single row, state and headers as JSON.

    Raises:
        StateError: the object's state cannot be stored.
    """
    said = _usual(*_kind(spawn)).copy()
    said[STATE] = dump_state(spawn.obj, max_size=max_size)
    options = _options(spawn)
    if spawn.headers:
        options["headers"] = dump_json(spawn.headers, "headers", max_size=max_size)
    if not options:
        return said
    return {**BLANK, **said, **{f"{PREFIX}{name}": value for name, value in options.items()}}


def usual_values(obj: Any, max_size: int) -> list[bytes]:
    """Return the values of ``USUAL``, as text, of an object without options.

    Raises:
        InvalidInput: it is no machine.
        StateError: its state cannot be stored.
    """
    machine = machine_of(obj)
    kind = machine.name, machine.version, machine.initial, machine.queue, _PRIORITY, _WEIGHT
    before, after = _written(*kind)
    return [*before, dump_state(obj, max_size=max_size).encode(), *after]


def in_key_order(keys: Sequence[str | None]) -> Sequence[int]:
    """Return the order in which to insert a batch with these keys, as places in it.

    A statement takes its keys in the order of their bytes. A batch that needs several must do so
    as a whole, or it could hold a late key while it waits for an early one, and so could another.
    """
    if len(keys) <= CHUNK:
        return range(len(keys))
    return sorted(range(len(keys)), key=lambda n: (keys[n] is None, keys[n] or ""))


def encode_child(spawn: Spawn, max_size: int) -> Row:
    """Encode a child that a step schedules: what is wrong with it is an error of that step."""
    try:
        return encode_row(spawn, max_size)
    except StateError as error:
        raise InvalidOutcome(f"a child cannot be stored: {error}") from error


def adopted(rows: Iterable[Row], parent_id: int, parent_round: int) -> Iterator[Row]:
    """Give each encoded row its parent, and the round of the parent that it belongs to."""
    parent = f'\n"parent_id":{parent_id},"parent_round":{parent_round},'
    return (row.replace("\n", parent, 1) for row in rows)


def _kind(spawn: Spawn) -> tuple[str, int, str, str, int, int]:
    """Return the values of ``HEAD``."""
    machine = type(spawn.obj).__machine__
    queue = spawn.queue or machine.queue
    return machine.name, machine.version, machine.initial, queue, spawn.priority, spawn.weight


@lru_cache(maxsize=1_000)
def _head(*kind: object) -> str:
    return to_json(dict(zip(HEAD, kind, strict=True))).decode()[1:-1] + "\n"


@lru_cache(maxsize=1_000)
def _written(*kind: object) -> tuple[list[bytes], list[bytes]]:
    """Return what a row shares, as text: what comes before its state, and after it."""
    texts = [it.encode() if isinstance(it, str) else str(it).encode() for it in kind]
    return texts[: (state := USUAL.index("state"))], texts[state:]


@lru_cache(maxsize=1_000)
def _usual(*kind: object) -> dict[str, Any]:
    """Return the parameters of what a row shares; copy before use."""
    return {f"{PREFIX}{name}": it for name, it in zip(HEAD, kind, strict=True)}


def _options(spawn: Spawn) -> dict[str, Any]:
    """Return what few rows have."""
    options: dict[str, Any] = {}
    if spawn.delay is not None:
        options["delay"] = spawn.delay
    if spawn.at is not None:
        options["due"] = spawn.at.isoformat()
    if spawn.correlation_key is not None:
        options["correlation_key"] = spawn.correlation_key
        options["correlation_scope"] = spawn.correlation_scope
    if spawn.concurrency_key is not None:
        options["concurrency_key"] = spawn.concurrency_key
    if spawn.rate_limit is not None:
        options["rate_limit"] = spawn.rate_limit
    return options
