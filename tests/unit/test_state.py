"""What a state must not hold: each refusal names the field, and nothing slips through."""

from __future__ import annotations

import functools
import json
import logging
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    computed_field,
    field_validator,
    model_validator,
)

import gendurable as gd
from gendurable.state import MAX_DIGITS, dump_json, dump_state, load_state, storable


class Animal(BaseModel):
    name: str


class Dog(Animal):
    tricks: int = 0


class Level(IntEnum):
    LOW = 1


class Order(gd.FSM, abstract=True):
    number: int = 0
    rate: float = 0.0
    text: str = ""
    anything: Any = None
    animal: Animal = Animal(name="cat")
    price: Decimal | float | None = None
    word: str | bytes = ""
    either: int | float = 0
    tags: Sequence[int] = []
    moment: datetime | None = None


class TestWhatComesBack:
    def test_a_field_that_was_assigned_is_stored(self):
        """What the object holds when it is dumped counts, not what it was built with."""
        order = Order()
        order.number = 2**60

        assert load_state(Order, dump_state(order)).number == 2**60

    def test_an_integer_in_a_float_field(self):
        """Type checkers let 3 be assigned to a float, so it is stored as 3.0."""
        order = Order()
        order.rate = 3

        assert load_state(Order, dump_state(order)).rate == 3.0

    @pytest.mark.parametrize("field", ["anything", "either"])
    @pytest.mark.parametrize("number", [1e16, 1e22, 1.7976931348623157e308, 5e-324, -1e300])
    def test_a_large_float_where_integers_fit_too(self, field, number):
        """jsonb writes 1e22 without an exponent: it must not come back as an integer."""
        text = dump_state(Order(**{field: number}))

        spelled = json.loads(text, parse_float=lambda token: token)[field]
        assert "e" not in spelled
        assert "." in spelled
        assert repr(getattr(load_state(Order, text), field)) == repr(number)

    def test_text_that_looks_like_a_number_is_left_alone(self):
        """Only numbers are spelled out, not what stands in strings."""
        order = Order(anything={"1e5": '\\"1e22', "n": 1e22})

        assert load_state(Order, dump_state(order)) == order

    def test_a_moment_keeps_its_instant_and_offset(self):
        """In the hour that a zone has twice, too; the name of the zone is lost."""
        twice = datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))

        back = load_state(Order, dump_state(Order(moment=twice))).moment

        assert back is not None
        assert back.isoformat() == twice.isoformat()
        assert back.utcoffset() == timedelta(hours=1)

    def test_a_naive_moment_stays_naive(self):
        """None of the two is turned into the other."""
        order = Order(moment=datetime(2024, 1, 1))

        assert load_state(Order, dump_state(order)).moment == datetime(2024, 1, 1)

    def test_private_and_computed_attributes_are_no_state(self):
        """Neither they nor cached properties of a nested model are stored, or in the way."""

        class Rich(BaseModel):
            width: int
            _seen: int = PrivateAttr(default=1)

            @computed_field
            @property
            def area(self) -> int:
                return self.width**2

            @functools.cached_property
            def half(self) -> float:
                return self.width / 2

        rich = Rich(width=4)
        rich._seen, _ = 9, rich.half

        text = dump_state(rich)

        assert json.loads(text) == {"width": 4}
        assert load_state(Rich, text).area == 16

    def test_aliases_are_for_the_outside(self):
        """State is stored under the names of the fields."""

        class Aliased(gd.FSM, abstract=True):
            width: int = Field(alias="w")

        text = dump_state(Aliased(w=3))

        assert json.loads(text) == {"width": 3}
        assert load_state(Aliased, text).width == 3

    def test_extra_fields_of_a_class_that_allows_them(self):
        """They are compared like fields."""

        class Open(gd.FSM, abstract=True):
            model_config = ConfigDict(extra="allow")

        assert load_state(Open, dump_state(Open(a=1, b=1e22))).b == 1e22
        with pytest.raises(gd.StateError, match=r"Open\.b "):
            dump_state(Open(a=1, b=b"x"))

    def test_a_strict_class_keeps_its_nan(self):
        """Strictness is for what comes from outside."""

        class Strict(gd.FSM, abstract=True):
            model_config = ConfigDict(strict=True)
            number: float

        assert math.isnan(load_state(Strict, dump_state(Strict(number=math.nan))).number)

    def test_a_class_that_is_completed_later(self):
        """Building may be deferred, as for names that are defined further down."""

        class Lazy(gd.FSM, abstract=True, defer_build=True):
            raw: bytes
            number: float = math.nan

        lazy = Lazy.model_construct(raw=b"\xff", number=math.nan)

        assert load_state(Lazy, dump_state(lazy)).raw == b"\xff"

    def test_a_recursive_model(self):
        """Definitions that refer to themselves have the same codec all the way down."""

        class Node(BaseModel):
            raw: bytes
            nodes: list[Node] = []

        class Tree(gd.FSM, abstract=True):
            root: Node

        Tree.model_rebuild(_types_namespace={"Node": Node})
        tree = Tree(root=Node(raw=b"\xff", nodes=[Node(raw=b"\xfe")]))

        assert load_state(Tree, dump_state(tree)) == tree


NOT_COMING_BACK = [
    ("number", True),
    ("number", Level.LOW),
    ("rate", 2**53 + 1),
    ("anything", (1, 2)),
    ("anything", b"x"),
    ("anything", math.nan),
    ("anything", {1: 2}),
    ("anything", Level.LOW),
    ("anything", Decimal(1)),
    ("anything", [{"a": {1}}]),
    ("animal", Dog(name="rex")),
    ("word", b"x"),
    ("tags", (1, 2)),
    ("moment", datetime(1880, 1, 1, tzinfo=timezone(timedelta(minutes=53, seconds=28)))),
]

UNFIT = [
    ("number", "seven"),
    pytest.param("number", 10**MAX_DIGITS, id="many digits"),
    ("number", None),
    ("text", "a\0b"),
    ("text", "\ud800"),
    ("anything", object()),
    ("anything", {"a": ["\0"]}),
    ("animal", {"nome": "cat"}),
]


class TestWhatIsRefused:
    @pytest.mark.parametrize(("field", "value"), NOT_COMING_BACK)
    def test_what_would_come_back_different(self, field, value):
        """A value that is read as another one, or as another type, is an error of its field."""
        order = Order()
        setattr(order, field, value)

        with pytest.raises(gd.StateError, match=rf"Order\.{field}.* would not come back"):
            dump_state(order)

    @pytest.mark.parametrize(("field", "value"), UNFIT)
    def test_what_does_not_fit_or_cannot_be_stored(self, field, value):
        """Neither JSON nor jsonb nor the field's own type takes it: the field is named."""
        order = Order()
        setattr(order, field, value)

        with pytest.raises(gd.StateError, match=rf"Order\.{field}"):
            dump_state(order)

    def test_the_path_into_a_field_is_named(self):
        """The complaint leads to the part that differs."""
        with pytest.raises(gd.StateError, match=r"Order\.anything\['a'\]\[1\] would"):
            dump_state(Order(anything={"a": [1, b"x"]}))

    def test_text_that_only_looks_like_a_nul_is_stored(self):
        r"""A backslash followed by u0000 is no NUL."""
        order = Order(text="\\u0000", anything="\\\\u0000")

        assert load_state(Order, dump_state(order)) == order

    def test_a_state_that_contains_itself(self):
        """A cycle is an error of its field, as is what is nested too deeply."""
        loop: list[Any] = []
        loop.append(loop)
        deep: list[Any] = []
        for _ in range(10_000):
            deep = [deep]

        for value in (loop, deep):
            with pytest.raises(gd.StateError, match=r"Order\.anything"):
                dump_state(Order.model_construct(anything=value))
            with pytest.raises(gd.StateError, match="result"):
                dump_json(value, "result")

    def test_a_secret(self):
        """A secret is written as asterisks, so it cannot be state."""

        class Hidden(gd.FSM, abstract=True):
            password: SecretStr

        with pytest.raises(gd.StateError, match=r"Hidden\.password"):
            dump_state(Hidden(password="x"))

    def test_a_field_left_out_of_the_json(self):
        """exclude=True is refused once the field holds more than its default."""

        class Partial(gd.FSM, abstract=True):
            kept: int = 1
            left: int = Field(1, exclude=True)

        assert json.loads(dump_state(Partial(kept=2))) == {"kept": 2}
        with pytest.raises(gd.StateError, match=r"Partial\.left"):
            dump_state(Partial(left=2))

    def test_a_deleted_field(self):
        """A field may be None, not deleted."""
        order = Order()
        del order.text

        with pytest.raises(gd.StateError, match=r"Order\.text is missing"):
            dump_state(order)

    def test_what_validators_refuse(self):
        """Whatever a validator raises is about this state, never a crash of the engine."""

        class Checked(gd.FSM, abstract=True):
            number: int = 1
            boom: bool = False

            @field_validator("number")
            @classmethod
            def small(cls, value: int) -> int:
                assert value < 5, "too large"
                return value

            @model_validator(mode="after")
            def explode(self) -> Checked:
                if self.boom:
                    raise KeyError("boom")
                return self

        checked = Checked()
        checked.number = 9
        with pytest.raises(gd.StateError, match=r"Checked\.number=9: .*too large"):
            dump_state(checked)
        checked.number, checked.boom = 1, True
        with pytest.raises(gd.StateError, match="KeyError"):
            dump_state(checked)

    def test_an_unknown_attribute(self):
        """A misspelt field is an error where it is set, and where the object is built."""
        with pytest.raises(ValueError, match="nubmer"):
            Order().nubmer = 3
        with pytest.raises(ValidationError, match="nubmer"):
            Order(nubmer=3)

    def test_a_text_that_fits_no_more(self):
        """A stored state that lacks a field, or has another, does not load."""

        class Strictly(gd.FSM, abstract=True):
            number: int
            kind: Literal["a"] = "a"

        for text in ('{"number": 1, "old": 2}', "{}", '{"number": 1, "kind": "b"}', "[]"):
            with pytest.raises(ValidationError):
                load_state(Strictly, text)


class TestSize:
    def test_a_large_state_is_logged(self, caplog):
        """Above 64 kB the log names the field that makes it so."""
        with caplog.at_level(logging.WARNING, "gendurable"):
            dump_state(Order(text="x" * 64_000))

        assert "Order.text" in caplog.text

    def test_a_state_above_max_size_is_refused(self):
        """The largest field is named, and so are both sizes."""
        with pytest.raises(gd.StateError, match=r"Order\.anything .* max_size is 1,000"):
            dump_state(Order(text="x" * 30_000, anything="y" * 40_000), max_size=1_000)

    def test_a_result_above_max_size_is_refused(self):
        """Results and payloads have the same limit."""
        with pytest.raises(gd.StateError, match="result"):
            dump_json("x" * 1_000_000, "result")

    def test_max_size_counts_below_the_size_that_is_logged(self):
        """A small max_size holds for small states."""
        with pytest.raises(gd.StateError, match="max_size is 10"):
            dump_state(Order(), max_size=10)
        with pytest.raises(gd.StateError, match="max_size is 10"):
            dump_json("x" * 20, "result", max_size=10)


class TestDumpJson:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (None, "null"),
            ({"a": [1, True, None, "ü"]}, '{"a":[1,true,null,"ü"]}'),
            (Decimal("1.50"), '"1.50"'),
            (datetime(2024, 1, 1, tzinfo=UTC), '"2024-01-01T00:00:00Z"'),
            (Animal(name="cat"), '{"name":"cat"}'),
            ("NaN", '"NaN"'),
            (2**70, str(2**70)),
            ((1, 2), "[1,2]"),
            ({3}, "[3]"),
            ({1: "a"}, '{"1":"a"}'),
            ("ü".encode(), '"ü"'),
            (date(2026, 5, 1), '"2026-05-01"'),
            (timedelta(days=1), '"P1D"'),
            (Level.LOW, "1"),
        ],
    )
    def test_writes_json_and_what_has_an_obvious_form_in_it(self, value, expected):
        """Results may hold dates, decimals and models; they are read back as JSON values."""
        assert dump_json(value, "result") == expected

    @pytest.mark.parametrize(
        ("value", "where"),
        [
            (math.nan, "result "),
            ({"a": [1, math.inf]}, r"result\['a'\]\[1\] "),
            ({"a": {"b": object()}}, r"result\['a'\]\['b'\] "),
            ({"a": Animal(name="\0")}, r"result\['a'\]\['name'\] "),
            ({"\0": 1}, "result "),
            (["\ud800"], r"result\[0\] "),
            ([10**MAX_DIGITS], r"result\[0\] "),
            (b"\xff", "result "),
        ],
    )
    def test_names_the_part_that_cannot_be_stored(self, value, where):
        """What JSON or jsonb does not take is an error that says where it is."""
        with pytest.raises(gd.StateError, match=f"^{where}"):
            dump_json(value, "result")

    def test_of_a_handle_it_wants_the_id(self):
        """A handle holds the binding, which is nothing to store."""
        handle = gd.Handle(7, True, object())
        with pytest.raises(gd.StateError, match=r"^result\['it'\] is Handle\(7.*; give its id$"):
            dump_json({"it": handle}, "result")


class TestStorable:
    def test_makes_any_text_storable(self):
        """NUL and lone surrogates are replaced, everything else stays."""
        assert storable("a\0b\ud800ü😀") == "a\ufffdb\ufffdü😀"

    def test_cuts_between_characters(self):
        """At most 16 kB in UTF-8, and never half a character."""
        text = storable("x" + "ü" * 20_000)

        assert len(text.encode()) == 15_999
        assert storable("y" * 16_000) == "y" * 16_000
