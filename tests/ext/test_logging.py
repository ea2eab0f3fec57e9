"""Log records that name the running instance, whoever made them."""

from __future__ import annotations

import io
import json
import logging

import pytest

from gendurable import testing
from gendurable.context import StepLog
from gendurable.ext.logging import JSONFormatter, StepFilter, TextFormatter
from tests.ext.machines import LIBRARY, Leaf, Shaky


@pytest.fixture
def output():
    """A handler of the root logger, and what it wrote."""
    handler = logging.StreamHandler(io.StringIO())
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


def lines(handler):
    return handler.stream.getvalue().splitlines()


def test_records_of_other_libraries_name_the_step(durable, output):
    """In a sync step, and in each attempt of it."""
    output.addFilter(StepFilter())
    who = "%(binding)s %(id)s %(fsm)s.%(step)s/%(attempt)s"
    output.setFormatter(logging.Formatter(f"{who}: %(message)s"))
    output.addFilter(logging.Filter("some.library"))
    handle = durable.insert(Shaky())

    testing.drain(durable)

    name = f"default {int(handle)} ext.Shaky.start"
    assert lines(output) == [f"{name}/0: attempt 0", f"{name}/1: attempt 1"]


def test_so_do_those_of_async_steps_in_a_worker(durable, output):
    """On the event loop of a worker."""
    output.setFormatter(JSONFormatter())
    output.addFilter(logging.Filter("some.library"))
    handles = durable.insert_all([Leaf(), Leaf()])

    with durable.worker(queues={"ext": 2}):
        for handle in handles:
            handle.wait(10, until="terminal")

    found = [json.loads(line) for line in lines(output)]
    assert {line["id"] for line in found} == {int(handle) for handle in handles}
    assert {line["fsm"] for line in found} == {"ext.Leaf"}


def test_a_line_of_text_names_the_step(durable, output):
    """Behind the logger, also where ``ctx.log`` speaks; nothing is left on the record."""
    output.setFormatter(TextFormatter())
    output.addFilter(logging.Filter("some.library"))
    seen = logging.StreamHandler(io.StringIO())
    seen.setFormatter(JSONFormatter())
    LIBRARY.addHandler(seen)
    handle = durable.insert(Shaky())

    testing.drain(durable)
    LIBRARY.warning("outside", extra={"id": 99})
    LIBRARY.removeHandler(seen)
    StepLog(LIBRARY, {"id": 7, "fsm": "F", "step": "s", "attempt": 2}).warning("handed on")

    first, second, outside, handed = (line.partition(" WARNING ")[2] for line in lines(output))
    assert first == f"some.library [{int(handle)} ext.Shaky.start #0]: attempt 0"
    assert second == f"some.library [{int(handle)} ext.Shaky.start #1]: attempt 1"
    assert outside == "some.library: outside"
    assert handed == "some.library [7 F.s #2]: handed on"
    assert all("who" not in json.loads(line) for line in lines(seen))


def test_outside_of_steps_nothing_is_claimed(output):
    """A format that names the fields works there too; JSON leaves them out."""
    output.addFilter(StepFilter())
    output.setFormatter(logging.Formatter("%(id)s %(message)s"))
    LIBRARY.warning("one")
    output.removeFilter(output.filters[0])
    output.setFormatter(JSONFormatter())
    LIBRARY.warning("two")

    assert lines(output)[0] == "- one"
    assert "id" not in json.loads(lines(output)[1])


def test_the_loggers_own_fields_are_left_alone(output):
    """What a record says by itself is not overwritten."""
    output.addFilter(StepFilter())
    output.setFormatter(logging.Formatter("%(id)s"))
    LIBRARY.warning("x", extra={"id": 99})

    assert lines(output) == ["99"]


def test_json_holds_what_there_is_to_say(output):
    """Level, logger, text, extras and the exception; what JSON does not know is written out."""
    output.setFormatter(JSONFormatter())
    try:
        raise ValueError("bad")
    except ValueError:
        LIBRARY.exception("it broke: %s", "ouch", extra={"order": 7, "where": {1}})

    line = json.loads(lines(output)[0])
    assert line["message"] == "it broke: ouch"
    assert (line["level"], line["logger"], line["order"]) == ("ERROR", "some.library", 7)
    assert line["where"] == "{1}"
    assert line["exception"].endswith("ValueError: bad")
    assert line["time"].endswith("+00:00")
