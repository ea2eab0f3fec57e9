"""One example of each event, with the fields that the engine sends."""

from __future__ import annotations

from typing import Any

from gendurable import events

_ROW = {"id": 7, "fsm": "Mail", "step": "send"}
_STEP = {**_ROW, "attempt": 0, "queue": "mail"}

NEWS: dict[str, dict[str, Any]] = {
    "step_start": _STEP,
    "step_stop": {**_STEP, "kind": "retry", "duration": 0.5, "error": OSError("no")},
    "outcome_committed": {**_ROW, "kind": "done"},
    "outcome_stale": {**_ROW, "kind": "done"},
    "claim_stop": {"queue": "mail", "count": 3, "demand": 5},
    "commit_stop": {"count": 3, "duration": 0.01},
    "worker_saturation": {"queue": "mail", "held": 3, "slots": 5},
    "worker_drain": {"phase": "begin", "worker": "w"},
    "concurrency_contended": {"count": 1, "key": "stripe:7"},
    "concurrency_throttled": {"count": 2, "key": "stripe:7"},
    "rate_limit_throttled": {"count": 2, "key": "stripe:7"},
    "rate_limit_unknown": {**_ROW, "count": 2, "key": "other:7", "name": "other"},
    "reaper_reaped": {"count": 2},
    "schedule_fired": {"count": 1, "skipped": 0, "name": "nightly"},
    "await_timeout": {"count": 2},
    "gc_swept": {"count": 2},
    "gc_held": {"count": 2},
    "fsm_unknown": _ROW,
    "state_invalid": {**_STEP, "error": "end: not a text"},
}


def tell(name: str, binding: str = "default") -> None:
    """Send one event as the engine does."""
    fields = dict(NEWS[name])
    # ``name`` is a field of one of them, and not that of a parameter.
    events.emit(getattr(events, name), binding, **fields)
