"""What can be done by hand, each with the form that asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gendurable.web import deeds


@dataclass(frozen=True)
class Field:
    """One thing that a form asks for."""

    name: str
    label: str
    kind: Literal["text", "document", "number", "check", "choice"] = "text"
    hint: str = ""
    required: bool = False


@dataclass(frozen=True)
class Action:
    """One thing that can be done: to what, under which name, and what it means."""

    kind: str
    name: str
    verb: str
    means: str
    done: str
    do: deeds.Do
    fields: tuple[Field, ...] = ()
    #: The statuses of instances that it makes sense for.
    statuses: frozenset[str] = frozenset()
    grave: bool = False


_REASON = Field("reason", "Reason", hint="Kept in the history, with your name.")
_LIVE = frozenset({"runnable", "executing", "awaiting_signal", "awaiting_children"})
_ENDED_BADLY = frozenset({"failed", "cancelled"})


_ALL = (
    Action(
        "instances",
        "retry",
        "Retry",
        "It goes back to the step in which it ended, with the state, the signals and whatever it"
        " waited for. Attempts and crashes are counted from 0.",
        "It is back where it ended.",
        deeds.retry,
        (_REASON,),
        _ENDED_BADLY,
    ),
    Action(
        "instances",
        "signal",
        "Signal",
        "The signal is put into its inbox. If it waits for this name, it goes on at once.",
        "The signal is in its inbox, or was there before.",
        deeds.signal,
        (
            Field("name", "Name", required=True),
            Field(
                "payload",
                "Payload",
                "document",
                "JSON; empty is null: no fields.",
            ),
            Field("dedup_key", "Key", hint="A second signal with this name and key is ignored."),
        ),
        _LIVE,
    ),
    Action(
        "instances",
        "pause",
        "Pause",
        "A step that runs finishes; then nothing of it starts until it is resumed. Signals are"
        " stored, and deadlines pass meanwhile.",
        "It is paused.",
        deeds.pause,
        (_REASON,),
        _LIVE,
    ),
    Action(
        "instances",
        "resume",
        "Resume",
        "It goes on where it was paused.",
        "It goes on.",
        deeds.resume,
        (_REASON,),
        _LIVE,
    ),
    Action(
        "instances",
        "reschedule",
        "Reschedule",
        "Changes when it starts, how urgent it is, or in which queue it waits. What is left empty"
        " stays as it is.",
        "It is rescheduled.",
        deeds.reschedule,
        (
            Field("delay", "Start in", "number", "Seconds from now; 0 is at once."),
            Field("priority", "Priority", "number", "-32768 to 32767; lower ones start first."),
            Field("queue", "Queue"),
        ),
        _LIVE,
    ),
    Action(
        "instances",
        "rewind",
        "Rewind",
        "It goes back to an earlier step. If a worker runs it now, what that worker brings back"
        " is dropped.",
        "It is rewound.",
        deeds.rewind,
        (
            Field("to", "To", "choice", "A step, or an entry of its history.", True),
            _REASON,
        ),
        _LIVE | _ENDED_BADLY,
    ),
    Action(
        "instances",
        "cancel",
        "Cancel",
        "It ends here. A step that runs now finishes, and nothing of it is committed. Its signals"
        " are set aside until it is retried.",
        "It is cancelled, or had ended before.",
        deeds.cancel,
        (
            Field("reason", "Reason", hint="Kept in the history, with your name.", required=True),
            Field("cascade", "Cancel all its descendants, too", "check"),
        ),
        _LIVE,
        grave=True,
    ),
    Action(
        "queues",
        "pause",
        "Pause queue",
        "Steps that run finish; then nothing of this queue starts, on any worker, until it is"
        " resumed.",
        "The queue is paused.",
        deeds.pause_queue,
        (_REASON,),
        grave=True,
    ),
    Action(
        "queues",
        "resume",
        "Resume queue",
        "Workers take from this queue again.",
        "The queue goes on.",
        deeds.resume_queue,
        (_REASON,),
    ),
    Action(
        "schedules",
        "trigger",
        "Trigger",
        "It is started now, beside its usual times.",
        "It is started.",
        deeds.trigger,
    ),
    Action(
        "schedules",
        "pause",
        "Pause schedule",
        "Nothing is started by it until it is resumed.",
        "The schedule is paused.",
        deeds.pause_schedule,
        grave=True,
    ),
    Action(
        "schedules",
        "resume",
        "Resume schedule",
        "It starts again at its next time.",
        "The schedule goes on.",
        deeds.resume_schedule,
    ),
    Action(
        "schedules",
        "edit",
        "Change times",
        "These times win over those of the code, now and after later deploys. What is left empty"
        " is as the code declares it.",
        "The schedule has new times.",
        deeds.edit_schedule,
        (
            Field("cron", "Cron", hint="Minute, hour, day, month, weekday; seconds may precede."),
            Field("timezone", "Time zone", hint="Such as Europe/Berlin."),
        ),
    ),
    Action(
        "limits",
        "key",
        "Change limit",
        "It wins over what the code declares, on every worker, until it is reset. What runs now"
        " goes on; nothing starts until fewer run than are allowed.",
        "The limit is changed.",
        deeds.limit_key,
        (Field("at_once", "At once", "number", "How many of one key may run.", True),),
    ),
    Action(
        "limits",
        "rate",
        "Change limit",
        "It wins over what the code declares, on every worker, until it is reset.",
        "The limit is changed.",
        deeds.limit_rate,
        (
            Field("allowance", "Tokens", "number", "How many flow in ...", True),
            Field("per", "Seconds", "number", "... within so much time.", True),
            Field("burst", "Burst", "number", "How many are saved up; left empty, as many."),
        ),
    ),
    Action(
        "limits",
        "reset",
        "Reset limit",
        "What the code declares holds again, on every worker.",
        "The limit is as the code declares it.",
        deeds.reset_limit,
    ),
)

ACTIONS: Mapping[tuple[str, str], Action] = {(one.kind, one.name): one for one in _ALL}
