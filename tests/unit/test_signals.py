"""Typed signals, what is stored of them, and the inbox as a step sees it."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pydantic import ValidationError

import gendurable as gd
from gendurable.signals import payload_json, signal_name


class Paid(gd.Signal):
    amount: Decimal
    proof: bytes = b""


class Cancelled(gd.Signal, name="order.cancelled"):
    pass


def received(number: int, name: str, payload: object = None) -> gd.ReceivedSignal:
    return gd.ReceivedSignal(number, name, payload, None, datetime(2030, 1, number, tzinfo=UTC))


class TestSignalName:
    def test_is_that_of_the_class(self):
        """A signal is called as its class, unless name= says otherwise."""
        assert signal_name(Paid) == "Paid"
        assert signal_name(Paid(amount=1)) == "Paid"
        assert signal_name(Cancelled) == "order.cancelled"
        assert signal_name("anything") == "anything"

    @pytest.mark.parametrize("wrong", ["", 7, None, gd.Signal, gd.Done])
    def test_refuses_what_is_no_signal(self, wrong):
        """The base class itself has no name either."""
        with pytest.raises(gd.InvalidInput, match="signal="):
            signal_name(wrong)

    def test_cannot_be_empty(self):
        """A wrong name is an error of the class."""
        with pytest.raises(TypeError, match="name="):

            class Nameless(gd.Signal, name=""):
                pass


class TestPayload:
    def test_is_what_the_signal_holds(self):
        """A typed signal's fields are its payload, bytes and decimals included."""
        text = payload_json(Paid(amount=Decimal("1.50"), proof=b"\xff"), None)

        assert json.loads(text) == {"amount": "1.50", "proof": "_w=="}

    @pytest.mark.parametrize("payload", [None, True, 7, 1.5, "text", [1, [2]], {"a": {"b": None}}])
    def test_is_any_json_value(self, payload):
        """Lists, numbers and plain strings are payloads too."""
        assert json.loads(payload_json("name", payload)) == payload

    @pytest.mark.parametrize("payload", [math.nan, {"a": math.inf}, "\0", "\ud800", object()])
    def test_refuses_what_cannot_be_stored(self, payload):
        """The complaint names the payload."""
        with pytest.raises(gd.InvalidInput, match="payload"):
            payload_json("name", payload)

    def test_is_given_once(self):
        """A signal object has its payload; a class is no payload."""
        with pytest.raises(gd.InvalidInput, match="payload="):
            payload_json(Paid(amount=1), {"amount": 1})
        with pytest.raises(gd.InvalidInput, match=r"Paid\(\.\.\.\)"):
            payload_json(Paid, None)

    def test_refuses_a_misspelt_field(self):
        """A field that the signal does not have is an error of the sender."""
        with pytest.raises(ValidationError, match="amuont"):
            Paid(amount=1, amuont=2)


class TestSignals:
    inbox = gd.Signals(
        (
            received(1, "Paid", {"amount": "1.50", "proof": "_w=="}),
            received(2, "other", [1]),
            received(3, "Paid", {"amount": 3, "later": True}),
        )
    )

    def test_is_a_sequence(self):
        """It has a length, an order and slices, and is false when empty."""
        assert [item.id for item in self.inbox] == [1, 2, 3]
        assert self.inbox[1].payload == [1]
        assert isinstance(self.inbox[:2], gd.Signals)
        assert len(self.inbox[:2]) == 2
        assert not gd.Signals()
        assert self.inbox.names == {"Paid", "other"}

    def test_first_by_name_and_by_type(self):
        """A name gives what was received, a type an object of that type; None if there is none."""
        assert self.inbox.first("Paid") is self.inbox[0]
        assert self.inbox.first(Paid) == Paid(amount=Decimal("1.50"), proof=b"\xff")
        assert self.inbox.first("nothing") is None
        assert self.inbox.first(Cancelled) is None

    def test_all_by_name_and_by_type(self):
        """Likewise for all; a field that the receiver does not know yet is passed over."""
        assert [item.id for item in self.inbox.all("Paid")] == [1, 3]
        assert [paid.amount for paid in self.inbox.all(Paid)] == [Decimal("1.50"), 3]
        assert self.inbox.all(Cancelled) == []

    def test_no_payload_is_an_object_without_fields(self):
        """A class that needs none may be sent by its name alone; by name it stays what it was."""
        inbox = gd.Signals((received(1, "order.cancelled"), received(2, "Paid")))

        assert inbox.first(Cancelled) == Cancelled()
        assert inbox.first("order.cancelled").payload is None
        with pytest.raises(ValidationError, match="amount\n  Field required"):
            inbox.first(Paid)

    def test_a_payload_that_does_not_fit_is_an_error(self):
        """It is raised in the step that reads it."""
        with pytest.raises(ValidationError, match="amount"):
            gd.Signals((received(1, "Paid", "text"), received(2, "Paid", {}))[1:]).first(Paid)
