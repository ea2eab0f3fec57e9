"""A database in which every text is the same: a hostile one, or one that is hard to show."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import gendurable as gd
from gendurable.testing import drain
from gendurable.web.forms import ACTIONS

#: What the engine would write by itself, as anybody could who reaches the tables.
REST = """
    INSERT INTO gendurable.nodes (name, queues, machines) VALUES
        (%(t)s, ARRAY[%(t)s], jsonb_build_array(jsonb_build_array(%(t)s::text, 1, %(t)s::text)));
    INSERT INTO gendurable.transitions (instance_id, kind, step, attempt, visit, worker, error,
        traceback, state, made_by, reason)
    SELECT id, %(t)s, %(t)s, 1, 1, %(t)s, %(t)s, %(t)s, to_jsonb(%(t)s::text), %(t)s, %(t)s
        FROM gendurable.instances;
    UPDATE gendurable.instances SET result = jsonb_build_object(%(t)s::text, %(t)s::text),
        last_error = %(t)s WHERE id = 1;
    UPDATE gendurable.schedules SET error = %(t)s, cron_override = %(t)s, timezone_override = %(t)s;
    INSERT INTO gendurable.instances (fsm, step, state, queue, concurrency_key, blocked) VALUES
        (%(t)s::text, %(t)s::text, '{}', %(t)s::text, %(t)s::text || ':a', 'key');
    INSERT INTO gendurable.instances (fsm, step, state, queue, rate_limit, blocked) VALUES
        (%(t)s::text, %(t)s::text, '{}', %(t)s::text, %(t)s::text || ':a', 'rate');
    INSERT INTO gendurable.instances (fsm, step, state, queue, status, locked_by, lease_expires_at)
        VALUES (%(t)s::text, %(t)s::text, '{}', %(t)s::text, 'executing', %(t)s::text,
        statement_timestamp())
"""


def populate(durable: gd.Durable, engine: Any, words: str) -> None:
    """Put *words* wherever a words can be: into names, keys, documents, reasons, errors and limits.

    Instance 1 has failed, 2 is its child, 3 awaits a signal, 4 is paused, 5 has been cancelled.
    """

    class Evil(gd.FSM, name=words, queue=words, history="all"):
        __doc__ = words
        text: str

        @gd.step(initial=True, name=words)
        def start(self, ctx: gd.Context) -> gd.Outcome:
            return gd.Await([words, "go"], then=self.end)

        @gd.step
        def end(self, ctx: gd.Context) -> gd.Outcome:
            raise ValueError(words)

    def insert(**options: Any) -> gd.Handle:
        return durable.insert(Evil(text=words), headers={words: words}, **options)

    failed = insert(correlation_key=words)
    drain(durable)
    durable.schedule_children(failed, [Evil(text=words)])
    durable.signal(failed, "go", {words: words})
    drain(durable)
    waiting, paused, ended = insert(), insert(), insert()
    drain(durable)
    durable.signal(waiting, "x" + words[:500], {words: words}, dedup_key=words)
    durable.pause(paused, by=words, reason=words)
    durable.cancel(ended, words, by=words)
    durable.set_limit(words, gd.ConcurrencyLimit(1))
    durable.set_limit(words, gd.RateLimit(1))
    durable.schedule(words, Evil(text=words), cron="0 3 * * *")
    durable.trigger(words)
    durable.pause(queue=words, by=words, reason=words)
    with engine.begin() as conn:
        for statement in REST.split(";\n"):
            conn.exec_driver_sql(statement, {"t": words})


def pages(text: str) -> list[str]:
    """Return the addresses of all pages of such a database."""
    named = quote(text)
    targets = {"instances": "1", **dict.fromkeys(("queues", "limits", "schedules"), named)}
    return [
        *("/", "/instances", "/nodes", "/machines", "/limits", "/schedules"),
        *(f"/instances/{id}" for id in range(1, 10)),
        *(f"/instances?{name}={named}" for name in ("fsm", "queue", "key", "step", "find")),
        *(f"/instances?status={name}" for name in ("key", "rate", "paused", "failed", "executing")),
        *(f"/instances?status={named}", f"/machines?name={named}", f"/nowhere/{named}"),
        *(f"/do/{kind}/{name}?target={targets[kind]}" for kind, name in ACTIONS),
        f"/do/instances/signal?target={named}",
    ]
