"""A machine that does what its test says, and a table that an application would have."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Text, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import gendurable as gd

#: What the steps do, by name: each takes the object and the context and returns an outcome.
SCRIPT: dict[str, Callable[[Any, gd.Context], Any]] = {}


class Base(DeclarativeBase):
    """The application's own tables."""


class Note(Base):
    """A row of the application's; no two have one text, which is checked at COMMIT only."""

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    short: Mapped[str | None] = mapped_column(Text, unique=True)


class Scripted(gd.FSM, name="engine.Scripted"):
    """Two steps and a handler, all of them written by the test."""

    count: int = 0

    @gd.step(initial=True)
    def start(self, ctx: gd.Context) -> gd.Outcome:
        return SCRIPT["start"](self, ctx)

    @gd.step
    def then(self, ctx: gd.Context) -> gd.Outcome:
        return SCRIPT.get("then", lambda obj, ctx: gd.Done())(self, ctx)

    def handle(self, error: Exception, ctx: gd.Context) -> gd.Outcome:
        SCRIPT["error"] = lambda obj, ctx: error  # for the test to look at
        if "handle" in SCRIPT:
            return SCRIPT["handle"](self, ctx)
        return gd.Stop(error)


class Asynchronous(gd.FSM, name="engine.Asynchronous"):
    """One async step that the test writes."""

    @gd.step
    async def start(self, ctx: gd.Context) -> gd.Outcome:
        return await SCRIPT["start"](self, ctx)


def elsewhere(call: Callable[[], Any]) -> Any:
    """Call as somebody else does: in a thread that knows of no step."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


def notes(engine: Any) -> list[str]:
    """Return the texts that are committed, in order."""
    with Session(engine) as session:
        return list(session.scalars(select(Note.text).order_by(Note.text)))
