"""Names, keys and the options of an insert: what is accepted, joined, converted and refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

import gendurable as gd
from gendurable.errors import InvalidInput
from gendurable.spawn import check_name, check_several, join_key


class Report(gd.Job):
    def perform(self, ctx):
        return None


class TestCheckName:
    @pytest.mark.parametrize("name", ["a", "ü" * 256, "order:42", " "])
    def test_takes_text_of_1_to_512_bytes(self, name):
        """The limit counts bytes, as the database does."""
        assert check_name(name, "queue") == name

    @pytest.mark.parametrize("name", ["", "a" * 513, "ü" * 257, "a\0b", "a\ud800", 7, None, b"a"])
    def test_refuses_what_no_column_holds(self, name):
        """The complaint names the argument."""
        with pytest.raises(gd.InvalidInput, match="queue="):
            check_name(name, "queue")


class TestJoinKey:
    def test_joins_a_tuple_with_colons(self):
        """The first part is the name of the limit, the others may be numbers and UUIDs."""
        uuid = UUID(int=1)

        assert join_key(("stripe", 7, uuid), "key") == f"stripe:7:{uuid}"
        assert join_key("stripe:7", "key") == "stripe:7"
        assert join_key(None, "key") is None

    @pytest.mark.parametrize("key", [(), ("a:b", 1), (7, "a"), ("a", 1.5), ("a", True), 7, ["a"]])
    def test_refuses_what_is_no_key(self, key):
        """A first part with a colon would be matched by another name than the one given."""
        with pytest.raises(gd.InvalidInput, match="key="):
            join_key(key, "key")


class TestCheckSeveral:
    @pytest.mark.parametrize("objs", [None, 5, "text", b"raw", Report()])
    def test_refuses_what_is_no_list(self, objs):
        """One object, or none at all, is told apart from several."""
        with pytest.raises(InvalidInput, match=r"objs=.*(must be a list|single object)"):
            check_several(objs, "objs")


class TestSpawn:
    def test_converts_its_options(self):
        """Delays become seconds, tuples keys, texts scopes."""
        spawn = gd.Spawn(
            Report(),
            delay=timedelta(minutes=1),
            concurrency_key=("stripe", 7),
            correlation_key="a",
            correlation_scope="all",
        )

        assert spawn.delay == 60.0
        assert spawn.concurrency_key == "stripe:7"
        assert spawn.correlation_scope is gd.ALL

    def test_has_the_defaults_of_an_insert(self):
        """Without options it is an ordinary insert: live scope, weight one, most usual priority."""
        spawn = gd.Spawn(Report())

        assert (spawn.priority, spawn.weight, spawn.correlation_scope) == (0, 1, gd.LIVE)
        assert spawn.if_exists == "raise"

    @pytest.mark.parametrize(
        "wrong",
        [
            {"queue": ""},
            {"priority": 32_768},
            {"priority": 1.0},
            {"weight": 0},
            {"weight": 2**31},
            {"delay": -1},
            {"delay": 1, "at": datetime.now(UTC)},
            {"at": datetime(2030, 1, 1)},
            {"at": "tomorrow"},
            {"correlation_key": "a\0"},
            {"correlation_scope": "always"},
            {"if_exists": "ignore"},
            {"rate_limit": ("a:b", 1)},
            {"headers": ["a"]},
        ],
    )
    def test_refuses_wrong_options(self, wrong):
        """The complaint names the option."""
        with pytest.raises(gd.InvalidInput, match=next(iter(wrong))):
            gd.Spawn(Report(), **wrong)

    @pytest.mark.parametrize("obj", [Report, 7, None, "Report"])
    def test_refuses_what_is_no_machine(self, obj):
        """Only FSM and Job objects can be inserted."""
        with pytest.raises(gd.InvalidInput, match="no FSM or Job object"):
            gd.Spawn(obj)

    def test_refuses_an_abstract_machine(self):
        """An abstract base class has no rows."""

        class Base(gd.FSM, abstract=True):
            pass

        with pytest.raises(gd.InvalidInput, match="no FSM or Job object"):
            gd.Spawn(Base())
