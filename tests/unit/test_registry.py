"""Who has which name and version, and who adopts the rows of an older version."""

from __future__ import annotations

from typing import Any

import pytest

import gendurable as gd
from gendurable.machine import Machine
from gendurable.registry import Catalogue


def order(version: int = 1, upgrades: tuple[int, ...] = (), *, place: str = "here") -> Machine:
    """Define a machine "parcel" that renames the step and counts the upgrades that it applies."""

    def upgrade(old: int) -> Any:
        def up(state: dict[str, Any], step: str) -> tuple[dict[str, Any], str]:
            return {"path": [*state["path"], old]}, "start"

        return gd.upgrade(from_version=old)(up)

    def start(self: Any, ctx: gd.Context) -> gd.Outcome:
        return gd.Done()

    body = {f"from_{old}": upgrade(old) for old in upgrades}
    body |= {
        "__module__": place,
        "__qualname__": f"Order{version}",
        "__annotations__": {"path": list},
        "start": gd.step(start),
    }
    cls = type(gd.FSM)(f"Order{version}", (gd.FSM,), body, name="parcel", version=version)
    return cls.__machine__


class TestDefine:
    def test_two_versions_of_a_name_coexist(self):
        """Each finds its own class."""
        one, two = order(1), order(2)

        assert Catalogue().find("parcel", 1) is one
        assert Catalogue().find("parcel", 2) is two

    def test_the_same_class_defined_again_replaces_the_former(self):
        """A reload or a notebook's cell wins over what it defined before."""
        order(1)
        again = order(1)

        assert Catalogue().find("parcel", 1) is again

    def test_a_different_class_may_not_take_the_place(self):
        """The complaint names both classes and what to change."""
        order(1, place="here")

        with pytest.raises(TypeError, match=r"Order1: here.Order1 is already 'parcel' version 1"):
            order(1, place="there")


class TestUpgrades:
    def test_chain_up_to_the_class(self):
        """Each leads to the next version that has one, the last to that of the class."""
        machine = order(5, upgrades=(1, 3))

        assert machine.upgrade(1, {"path": []}, "old") == ({"path": [1, 3]}, "start")
        assert machine.upgrade(3, {"path": []}, "old") == ({"path": [3]}, "start")
        assert [machine.upgradable(version) for version in (1, 2, 3, 4)] == [
            True,
            False,
            True,
            False,
        ]

    def test_may_be_written_with_or_without_staticmethod(self):
        """Above, below or left out: it is a static function."""

        class Order(gd.FSM, version=4):
            @gd.step
            def start(self, ctx):
                return gd.Done()

            @gd.upgrade(from_version=1)
            @staticmethod
            def one(state, step):
                return state, step

            @staticmethod
            @gd.upgrade(from_version=2)
            def two(state, step):
                return state, step

            @gd.upgrade(from_version=3)
            def three(state, step):  # noqa: N805
                return state, step

        assert sorted(Order.__machine__.upgrades) == [1, 2, 3]
        assert Order.one({}, "a") == Order.two({}, "a") == Order.three({}, "a") == ({}, "a")

    @pytest.mark.parametrize("answer", [None, {}, ({},)])
    def test_must_return_state_and_step(self, answer):
        """Anything else counts as an upgrade that raises."""

        class Order(gd.FSM, version=2):
            @gd.step
            def start(self, ctx):
                return gd.Done()

            @gd.upgrade(from_version=1)
            @staticmethod
            def one(state, step):
                return answer

        with pytest.raises(TypeError, match="from version 1"):
            Order.__machine__.upgrade(1, {}, "start")

    def test_must_lead_to_a_step_that_exists(self):
        """A step that the new version does not have is an error of the upgrade."""

        class Order(gd.FSM, version=2):
            @gd.step
            def start(self, ctx):
                return gd.Done()

            @gd.upgrade(from_version=1)
            @staticmethod
            def one(state, step):
                return state, step

        with pytest.raises(gd.InvalidOutcome, match="old"):
            Order.__machine__.upgrade(1, {}, "old")

    def test_mistakes_are_errors_of_the_class(self):
        """A version that is not older, two of one version, a signature with self."""
        with pytest.raises(TypeError, match="from version 2, but the class is 2"):
            order(2, upgrades=(2,))

        with pytest.raises(TypeError, match="second upgrade from version 1"):

            class Twice(gd.FSM, version=2):
                @gd.step
                def start(self, ctx):
                    return gd.Done()

                @gd.upgrade(from_version=1)
                @staticmethod
                def one(state, step):
                    return state, step

                @gd.upgrade(from_version=1)
                @staticmethod
                def other(state, step):
                    return state, step

        with pytest.raises(TypeError, match=r"must take \(state, step\)"):

            class Bound(gd.FSM, version=2):
                @gd.step
                def start(self, ctx):
                    return gd.Done()

                @gd.upgrade(from_version=1)
                def one(self, state, step):
                    return state, step


class TestCatalogue:
    def test_is_a_live_view(self):
        """A class that is defined after the first look is found at the next."""
        catalogue = Catalogue()
        assert catalogue.find("parcel", 1) is None

        machine = order(1)

        assert catalogue.find("parcel", 1) is machine

    def test_the_newest_heir_adopts_rows_of_a_version_that_is_gone(self):
        """Unless the old class is still there to run them."""
        order(2, upgrades=(1,))
        heir = order(3, upgrades=(1, 2))
        catalogue = Catalogue()

        assert catalogue.find("parcel", 1) is heir
        assert catalogue.find("parcel", 2).version == 2
        assert catalogue.find("parcel", 4) is None

        old = order(1)
        assert catalogue.find("parcel", 1) is old

    def test_knows_the_steps_it_can_run(self):
        """Of an old version it takes any step, since the upgrade decides."""
        order(2, upgrades=(1,))
        catalogue = Catalogue()

        assert catalogue.knows("parcel", 2, "start")
        assert not catalogue.knows("parcel", 2, "gone")
        assert catalogue.knows("parcel", 1, "gone")
        assert not catalogue.knows("parcel", 3, "start")
        assert not catalogue.knows("other", 1, "start")

    def test_lists_what_it_knows(self):
        """A step of None stands for every step of a version that can be adopted."""
        machine = order(2, upgrades=(1,))

        assert Catalogue([machine.cls]).known() == [("parcel", 2, "start"), ("parcel", 1, None)]

    def test_may_be_limited_to_some_classes(self):
        """A binding runs what it was given, and nothing else."""
        given = order(1)
        order(2)
        catalogue = Catalogue([given.cls])

        assert catalogue.find("parcel", 1) is given
        assert catalogue.find("parcel", 2) is None

    @pytest.mark.parametrize("wrong", [gd.FSM, gd.Job, int, "Order", None])
    def test_refuses_what_is_no_machine(self, wrong):
        """The complaint names the setting."""
        with pytest.raises(gd.ConfigError, match="fsms"):
            Catalogue([wrong])

    @pytest.mark.parametrize("wrong", ["Order", 7])
    def test_refuses_what_is_no_list(self, wrong):
        """Nor is a class one: the complaint shows how to write it."""
        for given in (wrong, order(1).cls):
            with pytest.raises(gd.ConfigError, match=r"must be a list of classes.*fsms=\[Order\]"):
                Catalogue(given)

    def test_says_all_that_is_wrong(self):
        """Each class that will not do is a line of its own."""
        with pytest.raises(gd.ConfigError) as raised:
            Catalogue([int, order(1).cls, str])

        assert [line.split()[2] for line in str(raised.value).splitlines()] == ["'int'>", "'str'>"]

    def test_refuses_two_classes_in_one_place(self):
        """One class may be given only once; so may a name and version."""
        first = order(1).cls
        second = order(1).cls

        with pytest.raises(gd.ConfigError, match="'parcel' version 1 is given twice"):
            Catalogue([first, second])
