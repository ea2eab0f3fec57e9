"""What happens, as blinker signals: subscribe with ``events.step_stop.connect(receiver)``.

A receiver is called as ``receiver(sender, **fields)``: the sender is the binding's name, which is
among the fields too, as ``binding``. It runs where the event happens, often on a thread that works
for many instances: be quick. What it raises is logged, and harms nobody.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from blinker import NamedSignal, Namespace

namespace: Final = Namespace()

_log = logging.getLogger("gendurable.events")


def _event(name: str, doc: str) -> NamedSignal:
    return namespace.signal(name, doc)


step_start = _event("step.start", "A step begins: id, fsm, step, attempt, queue.")
step_stop = _event(
    "step.stop", "User code has ended: duration; id, fsm, step, attempt, queue, kind, error."
)
outcome_committed = _event("outcome.committed", "An outcome is durable: kind; id, fsm, step.")
outcome_stale = _event("outcome.stale", "An owner had lost its row: kind; id, fsm, step.")
claim_stop = _event("claim.stop", "A claim has returned: count, demand; queue.")
commit_stop = _event("commit.stop", "A batch of outcomes is committed: count, duration.")
worker_saturation = _event("worker.saturation", "How full a queue's slots are: held, slots; queue.")
worker_drain = _event("worker.drain", "A worker stops claiming, or has stopped: phase; worker.")
concurrency_contended = _event("concurrency.contended", "Two claims met in a slot: count; key.")
concurrency_throttled = _event("concurrency.throttled", "Rows wait for a key: count; key.")
rate_limit_throttled = _event("rate_limit.throttled", "Rows wait for tokens: count; key.")
rate_limit_unknown = _event(
    "rate_limit.unknown",
    "Rows wait for a policy that nobody configures: count; key, name, fsm, step.",
)
reaper_reaped = _event("reaper.reaped", "Leases had expired: count.")
await_timeout = _event("await.timeout", "Deadlines have passed: count.")
gc_swept = _event("gc.swept", "Old rows are deleted: count.")
gc_held = _event("gc.held", "Old rows stay, since somebody's key still holds them: count.")
fsm_unknown = _event("fsm.unknown", "A row is set aside, its step unknown here: id, fsm, step.")
state_invalid = _event(
    "state.invalid", "A row is set aside, its state does not load: id, fsm, step."
)


def emit(event: NamedSignal, binding: str, /, **fields: Any) -> None:
    """Send *event* to whoever subscribed; without subscribers this costs next to nothing."""
    if not event.receivers:
        return
    for receiver in event.receivers_for(binding):
        try:
            receiver(binding, binding=binding, **fields)
        except Exception:
            _log.exception("a receiver of %s failed", event.name)
