"""Whatever the fields of a state can hold comes back as it went in, through jsonb too."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from sqlalchemy import Connection, Text, create_engine, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.pool import NullPool
from typing_extensions import NamedTuple, TypedDict

import gendurable as gd
from gendurable.errors import StateError
from gendurable.roundtrip import difference
from gendurable.state import dump_state, load_state


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2**60


class Odd(Enum):
    """Values that JSON has no type for, among one that it has."""

    PAIR = (1, ("x", Decimal("1.50")))
    EXACT = Decimal("2.50")
    DAY = date(2026, 5, 1)
    SPAN = timedelta(days=1)
    RAW = b"\xff"
    ENDLESS = math.inf
    LARGE = 1e22
    LARGE_PAIR = (1e22, 1)
    TEXT = "2026-05-01T00:00:00"


class Word(StrEnum):
    YES = "yes"


class Plain(BaseModel):
    """A model without any configuration of its own."""

    raw: bytes = b"\xff\x00"
    number: float = math.nan
    span: timedelta = timedelta(days=-1, microseconds=1)
    exact: Decimal = Decimal("1.10")
    kinds: set[bytes] = set()


@dataclasses.dataclass
class Record:
    raw: bytes = b"\xfe"
    number: float = math.inf
    inner: Plain | None = None


class Pair(NamedTuple):
    raw: bytes
    number: float


class Shape(TypedDict):
    raw: bytes
    number: float


def as_jsonb(text: str) -> str:
    """Return JSON text as jsonb gives it back: keys in its order, no exponents, no -0."""

    def number(token: str) -> Any:
        plain = format(Decimal(token), "f")
        return Spelled(plain if Decimal(token) else plain.lstrip("-"))

    class Spelled(str):
        pass

    def write(value: Any) -> str:
        if isinstance(value, Spelled):
            return str(value)
        if isinstance(value, dict):
            items = sorted(value.items(), key=lambda item: (len(item[0].encode()), item[0]))
            return "{" + ", ".join(f"{json.dumps(k)}: {write(v)}" for k, v in items) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(write, value)) + "]"
        return json.dumps(value, ensure_ascii=False)

    return write(json.loads(text, parse_float=number, parse_int=number))


ZONES = st.sampled_from(
    [None, UTC, ZoneInfo("Europe/Berlin"), timezone(timedelta(hours=-11, minutes=-30))]
)
FLOATS = st.floats()
NESTED = st.builds(
    Plain,
    raw=st.binary(),
    number=FLOATS,
    span=st.timedeltas(),
    exact=st.decimals(allow_nan=False, allow_infinity=False, places=3),
    kinds=st.sets(st.binary(max_size=3), max_size=3),
)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


class Everything(gd.FSM, abstract=True):
    whole: int
    exact: Decimal
    number: float
    moment: datetime
    day: date
    clock: time
    span: timedelta
    key: UUID
    colour: Colour
    odd: Odd
    by_odd: dict[Odd, list[Odd]]
    level: Level
    word: Word
    raw: bytes
    text: str
    flag: bool
    maybe: int | None
    items: list[float]
    kinds: set[int]
    frozen: frozenset[bytes]
    floats: set[float]
    mapping: dict[str, float]
    by_int: dict[int, bytes]
    by_float: dict[float, int]
    by_day: dict[date, int]
    pair: Pair
    shape: Shape
    fixed: tuple[int, bytes]
    plain: Plain
    plains: list[Plain]
    record: Record


VALUES = {
    "whole": st.integers(-(10**30), 10**30),
    "exact": st.decimals(allow_nan=False, allow_infinity=False),
    "number": FLOATS,
    "moment": st.datetimes(timezones=ZONES, min_value=datetime(1900, 1, 1)),
    "day": st.dates(),
    "clock": st.times(),
    "span": st.timedeltas(),
    "key": st.uuids(),
    "colour": st.sampled_from(Colour),
    "odd": st.sampled_from(Odd),
    "by_odd": st.dictionaries(
        st.sampled_from([Odd.EXACT, Odd.DAY, Odd.TEXT]), st.lists(st.sampled_from(Odd))
    ),
    "level": st.sampled_from(Level),
    "word": st.sampled_from(Word),
    "raw": st.binary(),
    "text": TEXT,
    "flag": st.booleans(),
    "maybe": st.none() | st.integers(),
    "items": st.lists(FLOATS, max_size=4),
    "kinds": st.sets(st.integers(), max_size=4),
    "frozen": st.frozensets(st.binary(max_size=4), max_size=4),
    "floats": st.sets(FLOATS, max_size=4),
    "mapping": st.dictionaries(TEXT, FLOATS, max_size=4),
    "by_int": st.dictionaries(st.integers(), st.binary(), max_size=4),
    "by_float": st.dictionaries(FLOATS, st.integers(), max_size=4),
    "by_day": st.dictionaries(st.dates(), st.integers(), max_size=4),
    "pair": st.builds(Pair, raw=st.binary(), number=FLOATS),
    "shape": st.fixed_dictionaries({"raw": st.binary(), "number": FLOATS}),
    "fixed": st.tuples(st.integers(), st.binary()),
    "plain": NESTED,
    "plains": st.lists(NESTED, max_size=2),
    "record": st.builds(Record, raw=st.binary(), number=FLOATS, inner=st.none() | NESTED),
}


@settings(max_examples=150, deadline=None)
@given(st.fixed_dictionaries(VALUES))
def test_everything_comes_back(values):
    """Fields of all types, nested ones too, equal what they were, nan included."""
    before = Everything.model_construct(**values)

    text = dump_state(before)

    for stored in (text, as_jsonb(text)):
        assert difference(before, load_state(Everything, stored)) is None


class Alike(Enum):
    """Members that JSON spells alike, and one that it spells anew in each process."""

    EXACT = Decimal(3)
    TEXT = "3"
    SET = frozenset({"a", "b"})


class Choice(gd.FSM, abstract=True):
    one: Alike


def test_members_that_would_not_come_back_are_refused():
    """A text comes back as itself, another value that is spelled like it does not, nor a set."""
    assert load_state(Choice, dump_state(Choice(one=Alike.TEXT))).one is Alike.TEXT
    with pytest.raises(StateError, match="EXACT.* is read as .*TEXT"):
        dump_state(Choice(one=Alike.EXACT))
    with pytest.raises(StateError, match="Choice.one"):
        dump_state(Choice(one=Alike.SET))


@pytest.fixture
def server(empty_url: str) -> Iterator[Connection]:
    """A connection to a real PostgreSQL."""
    with create_engine(empty_url, poolclass=NullPool).connect() as conn:
        yield conn


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(values=st.fixed_dictionaries(VALUES), number=FLOATS)
def test_jsonb_gives_back_what_the_other_test_assumes(server, values, number):
    """A real PostgreSQL returns the same text, for a state and for a float of any size."""
    texts = [dump_state(Everything.model_construct(**values))]
    if math.isfinite(number):
        texts.append(json.dumps({"number": number}))

    for text in texts:
        stored = server.scalar(select(literal(text).cast(Text).cast(JSONB).cast(Text)))
        assert json.loads(stored, parse_float=str, parse_int=str) == json.loads(
            as_jsonb(text), parse_float=str, parse_int=str
        )
