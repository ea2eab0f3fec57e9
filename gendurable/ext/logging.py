"""Log records that say which instance was running: those of other libraries as well."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gendurable.engine import current

#: The attributes that a record gets.
FIELDS = ("binding", "id", "fsm", "step", "attempt")

#: What every record has, and is no news.
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def running() -> Mapping[str, Any]:
    """Return binding, id, fsm, step and attempt of the step that runs here; nothing outside one."""
    scope = current.step()
    if scope is None:
        return {}
    claim = scope.claim
    return {
        "binding": scope.durable.name,
        "id": claim.id,
        "fsm": claim.fsm,
        "step": claim.step,
        "attempt": claim.attempt,
    }


class StepFilter(logging.Filter):
    """Puts binding, id, fsm, step and attempt of the running step on each record.

    Add it to a handler: a filter of a logger does not see what its children log. It lets every
    record pass, and leaves alone what a record has already, such as those of ``ctx.log``.

    Args:
        missing: what the attributes are outside of steps, so that a format may name them.
    """

    def __init__(self, missing: Any = "-") -> None:
        super().__init__()
        self._missing = missing

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attributes."""
        found = running()
        for field in FIELDS:
            if not hasattr(record, field):
                setattr(record, field, found.get(field, self._missing))
        return True


class TextFormatter(logging.Formatter):
    """Writes a line whose logger is followed by the running step: ``[4711 Checkout.ship #0]``.

    Outside of steps nothing follows it. It is what ``gendurable worker`` writes. It needs no filter
    where a record is formatted on the thread that made it.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s%(who)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        who = {**running(), **vars(record)}
        is_known = all(who.get(field) not in (None, "-") for field in FIELDS[1:])
        record.who = " [{id} {fsm}.{step} #{attempt}]".format_map(who) if is_known else ""
        try:
            return super().format(record)
        finally:
            del vars(record)["who"]  # what other handlers write is none of it


class JSONFormatter(logging.Formatter):
    """Writes each record as one line of JSON, the running step and all ``extra=`` included.

    It needs no filter where a record is formatted on the thread that made it. Behind a
    ``QueueHandler`` it does, on that handler.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **running(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _PLAIN}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        elif record.exc_text:
            line["exception"] = record.exc_text
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(line, default=str, ensure_ascii=False)
