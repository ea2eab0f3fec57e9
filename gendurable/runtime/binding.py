"""What the runtime needs of a binding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from gendurable.queries.statement import Database
    from gendurable.registry import Catalogue
    from gendurable.runtime.notifier import Notifier
    from gendurable.settings import Settings


class Binding(Protocol):
    """A binding, as far as its workers know it."""

    engine: Engine
    db: Database
    catalogue: Catalogue
    settings: Settings
    notifier: Notifier
    name: str
