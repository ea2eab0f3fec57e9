"""What may make the sessions of steps, which nobody but the step's outcome commits."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from gendurable.errors import ConfigError

#: Host, port and name of a database.
Place = tuple[str, str, str | None]
_PLACES: WeakKeyDictionary[Engine, Place] = WeakKeyDictionary()


def place_of(engine: Engine) -> Place:
    """Return which database *engine* reaches, as far as its URL tells."""
    place = _PLACES.get(engine)
    if place is None:
        options: Any = engine.dialect.create_connect_args(engine.url)[1]
        host = options.get("host") or "localhost"
        host = "127.0.0.1" if host == "localhost" else host
        place = host, str(options.get("port") or 5432), options.get("dbname")
        _PLACES[engine] = place
    return place


def refuse_unfit(value: Any, what: str) -> Any:
    """Return a factory of sessions if each call makes one that is a step's own; None stays None.

    Raises:
        ConfigError: its sessions are shared, are committed by somebody else, or reach nothing.
    """
    if value is None:
        return None
    _refuse_zope(value, what)
    if isinstance(value, scoped_session):
        raise ConfigError(
            f"{what} is a scoped_session, whose session others use, too: a step would commit what"
            " they have begun; give the sessionmaker that it was made of"
        )
    if not callable(value):
        raise ConfigError(f"{what}={value!r} cannot be called; give a sessionmaker(engine)")
    if isinstance(value, sessionmaker) and value.class_.get_bind is Session.get_bind:
        _refuse_unbound(value, what)
    return value


def _refuse_unbound(factory: sessionmaker[Any], what: str) -> None:
    bound = factory.kw.get("bind")
    if bound is None and not factory.kw.get("binds"):
        raise ConfigError(f"{what}={factory!r} knows no engine; give a sessionmaker(engine)")
    if bound is not None and bound.dialect.driver != "psycopg":
        raise ConfigError(
            f"{what}={factory!r} is of an engine for {bound.dialect.name}+{bound.dialect.driver};"
            " outcomes commit in these sessions, so it must be of postgresql+psycopg"
        )


def _refuse_zope(value: Any, what: str) -> None:
    factory = getattr(value, "session_factory", value)
    kind = getattr(factory, "class_", factory)
    if not (isinstance(kind, type) and issubclass(kind, Session)):
        return
    for listener in kind().dispatch.after_begin:
        if type(getattr(listener, "__self__", None)).__module__.startswith("zope.sqlalchemy"):
            raise ConfigError(
                f"{what} is registered with zope.sqlalchemy, so that a transaction manager would"
                " commit the sessions of steps; give a plain sessionmaker (requests use that one)"
            )
