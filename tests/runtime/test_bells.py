"""Bells for those who wait for an instance."""

from __future__ import annotations

from contextlib import ExitStack

from gendurable.runtime.bells import Bells


def test_rings_for_all_who_are_there():
    """Each is told in the order in which they came, and nobody of another instance."""
    bells, rung = Bells(), []
    with ExitStack() as stack:
        for name in "abc":
            stack.enter_context(bells.at(1, lambda name=name: rung.append(name)))
        stack.enter_context(bells.at(2, lambda: rung.append("other")))
        bells.ring([1, 3])
        assert len(bells) == 4
    bells.ring([1, 2])

    assert rung == ["a", "b", "c"]
    assert len(bells) == 0


def test_who_leaves_while_it_rings():
    """Somebody may leave because of what he hears, before the others have heard it."""
    bells, rung = Bells(), []
    with ExitStack() as stack:
        first = stack.enter_context(ExitStack())
        first.enter_context(bells.at(1, first.close))
        stack.enter_context(bells.at(1, lambda: rung.append("second")))
        bells.ring([1])
        assert len(bells) == 1

    assert rung == ["second"]
