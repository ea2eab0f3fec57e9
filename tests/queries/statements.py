"""All statements of the engine, found where they are defined."""

from __future__ import annotations

import importlib
import pkgutil

from gendurable import queries
from gendurable.queries.statement import Statement


def all_statements() -> dict[str, Statement]:
    """Map the name of each statement to it; two of one name are an error."""
    found: dict[str, Statement] = {}
    for info in pkgutil.iter_modules(queries.__path__):
        module = importlib.import_module(f"{queries.__name__}.{info.name}")
        for value in vars(module).values():
            for one in value.values() if isinstance(value, dict) else [value]:
                if isinstance(one, Statement):
                    assert found.setdefault(one.name, one) is one, f"two of {one.name}"
    return found
