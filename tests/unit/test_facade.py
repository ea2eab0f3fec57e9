"""The package exports every name that stands without a module, and nothing by accident."""

from __future__ import annotations

import gendurable


def test_all_is_what_is_there():
    """Each exported name exists, once."""
    assert len(gendurable.__all__) == len(set(gendurable.__all__))
    assert [name for name in gendurable.__all__ if not hasattr(gendurable, name)] == []


def test_names_of_functions_are_not_their_modules():
    """``gendurable.job`` is the decorator, though a module bears that name too."""
    assert callable(gendurable.job)


def test_errors_have_one_base():
    """One except clause catches whatever the library raises; bad arguments are ValueErrors too."""
    errors = [
        value
        for name in gendurable.__all__
        if isinstance(value := getattr(gendurable, name), type) and issubclass(value, Exception)
    ]

    control = {gendurable.Fail, gendurable.Snooze}
    assert all(issubclass(error, gendurable.GenDurableError) for error in set(errors) - control)
    assert issubclass(gendurable.InvalidInput, ValueError)
    assert issubclass(gendurable.StateError, gendurable.InvalidInput)
