"""What is kept, and what is said aloud, of an execution that did not go well."""

from __future__ import annotations

import json
import logging
import traceback
from typing import TYPE_CHECKING, Any

from gendurable.state import describe, storable

if TYPE_CHECKING:
    from gendurable.engine.nouns import Finished

log = logging.getLogger("gendurable.step")


def say(finished: Finished) -> None:
    """Log what a step ran into: with its traceback when the instance fails by it."""
    claim, error = finished.claim, finished.error
    if finished.kind in ("stop", "crashed"):
        what = "%s.%s of instance %d has failed"
        log.warning(what, claim.fsm, claim.step, claim.id, exc_info=error)
    elif error is not None and log.isEnabledFor(logging.INFO):
        what = "%s.%s of instance %d goes on after %s"
        log.info(what, claim.fsm, claim.step, claim.id, describe(error))


def history_entry(finished: Finished) -> dict[str, Any] | None:
    """Return what the history of the machine keeps of this outcome, None if nothing."""
    error, history = finished.error, finished.claim.machine.history
    if history == "off" or (history == "errors" and error is None):
        return None
    entry: dict[str, Any] = {}
    if error is not None:
        entry["error"] = describe(error)
        entry["traceback"] = storable("".join(traceback.format_exception(error)))
    if history == "all":
        entry["state"] = json.loads(finished.claim.state)
    return entry
