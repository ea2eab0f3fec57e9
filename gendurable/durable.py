"""The binding of machines to a database: everything that an application calls."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from threading import Lock
from typing import Any, Never, cast

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from gendurable import migrations
from gendurable.aio import AsyncDurable
from gendurable.callers import (
    Caller,
    Work,
    carry_out,
    refuse_outside,
    see_to,
)
from gendurable.duties import CronOptions, GcOptions, ReaperOptions
from gendurable.editing import Editing
from gendurable.engine import targets
from gendurable.engine.probes import Probe, word_json
from gendurable.engine.session import StepSession
from gendurable.inserting import Inserting
from gendurable.maintenance import Maintenance
from gendurable.models import SCHEMA
from gendurable.models.schemas import tables_for
from gendurable.operations import Target, as_target
from gendurable.queries import lookup, signals
from gendurable.queries.statement import Database
from gendurable.registry import Catalogue
from gendurable.rules import Complaints, build
from gendurable.runtime.buffer import Buffer
from gendurable.runtime.connections import check_async_pool, check_pool
from gendurable.runtime.notifier import Notifier
from gendurable.runtime.worker import Worker
from gendurable.scheduling import Scheduling
from gendurable.settings import Settings, WorkerSettings, slots_in
from gendurable.signals import Signal, payload_json, signal_name
from gendurable.spawn import check_name


class Durable(Inserting, Editing, Scheduling, Maintenance):
    """Machines bound to a database: insert, signal and cancel instances, and run workers.

    Every method that takes ``session=`` works in that transaction (a ``Session``, a
    ``scoped_session`` or a ``Connection``) and takes effect if and when it commits; without one it
    has taken effect when it returns. ``aio`` has the same methods as coroutines.
    """

    def __init__(
        self,
        engine: Engine,
        async_engine: AsyncEngine | None,
        settings: Settings,
        catalogue: Catalogue,
    ) -> None:
        #: As the application gave it.
        self.given: Engine = engine
        #: The engine's own transactions are READ COMMITTED, whatever the application's are.
        self.engine: Engine = engine.execution_options(isolation_level="READ COMMITTED")
        #: For what is one statement, and so a transaction by itself.
        self.single: Engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self.async_engine = async_engine and async_engine.execution_options(
            isolation_level="READ COMMITTED"
        )
        self.settings = settings
        self.catalogue = catalogue
        self.name = settings.name
        self.db = Database(settings.schema)
        self.notifier = Notifier(
            engine,
            name=settings.name,
            channel=_channel(settings.schema),
            listen=settings.listen,
            url=settings.listen_url,
            see_to=lambda care: see_to(self, care),
        )
        self.buffer = Buffer(self.engine, self.db, self.name, self.notifier.announce)
        self._tables = tables_for(settings.schema)
        self.Instance = self._tables.Instance
        self.StoredSignal = self._tables.StoredSignal
        self.Transition = self._tables.Transition
        self.Bucket = self._tables.Bucket
        self.bursts: dict[str, int] = {}
        #: Who watches the executions of this binding from within, such as a tracer.
        self.probes: tuple[Probe, ...] = ()
        self.declarations = {}
        #: The same methods as coroutines, for an ``AsyncSession``.
        self.aio = AsyncDurable(self)
        self._identity: str | None = None
        self._lock = Lock()

    def signal(
        self,
        target: Target,
        signal: str | Signal,
        payload: Any = None,
        *,
        dedup_key: str | None = None,
        session: Caller = None,
    ) -> bool:
        """Put a signal into the inbox of a live instance, and wake it if it waits for that name.

        Returns True if it was stored, False if this instance was already sent this name with this
        *dedup_key*. The payload is any JSON value.

        Raises:
            NoTarget: no live instance answers to *target*.
            InvalidInput: the signal, its payload or the key is not acceptable.
        """
        goal = as_target(target)
        name = signal_name(signal)
        if dedup_key is not None:
            check_name(dedup_key, "dedup_key")
        body = payload_json(signal, payload, max_size=self.settings.max_size)
        refuse_outside(self, goal, session)
        word = word_json(self.probes)

        def deliver(work: Work) -> bool:
            answer = signals.deliver(work.conn, self.db, goal, name, body, dedup_key, word)
            if answer is None and isinstance(goal, str):  # the key may have passed to another
                answer = signals.deliver(work.conn, self.db, goal, name, body, dedup_key, word)
            if answer is None:
                raise targets.no_target(goal, live=True)
            stored, woken = answer
            if woken is not None:
                work.queues.add(woken)
            return stored

        return carry_out(self, session, deliver, single=True)

    def worker(
        self,
        *,
        queues: Mapping[str, int] = {"default": 10},
        reaper: bool | ReaperOptions = True,
        gc: bool | GcOptions = True,
        cron: bool | CronOptions = True,
        health_port: int | None = None,
        health_host: str = "127.0.0.1",
        **unknown: Never,
    ) -> Worker:
        """Return a worker for some queues: ``run()`` it, ``start()`` it, or use it in ``with``.

        Args:
            queues: how many steps of each queue run at once.
            reaper: whether it looks after lapsed leases and passed deadlines, or how often:
                ``{"interval": 1}``.
            gc: whether it deletes what ended long ago, or ``{"interval": 60, "retention": 86400,
                "batch": 10_000}``; a retention may be a dict of "done", "failed", "cancelled".
            cron: whether it inserts what is scheduled, or how often it looks: ``{"interval": 1}``.
            health_port: where it answers ``/healthz``; None: nowhere.
            health_host: the address for that.
            unknown: there are no others.

        Raises:
            ConfigError: settings are not usable, or a pool is too small; the message names all.
        """
        complaints = Complaints("worker")
        given = {
            "queues": queues,
            "reaper": reaper,
            "gc": gc,
            "cron": cron,
            "health_port": health_port,
            "health_host": health_host,
            **unknown,
        }
        with complaints.noted():
            settings = build(WorkerSettings, "worker", given, WorkerSettings.__dataclass_fields__)
        if slots := slots_in(queues):
            with complaints.noted():
                check_pool(self.engine, slots)
            if self.async_engine is not None and self.catalogue.has_async_steps():
                with complaints.noted():
                    check_async_pool(self.async_engine, slots)
        complaints.end()
        return Worker(self, settings)

    def create_schema(self) -> None:
        """Create the schema, or bring it up to this release; does nothing if it is."""
        migrations.create_schema(self.engine, self.settings.schema)

    # What the engine asks of its binding

    def open_session(self) -> Session:
        """Open the session of a sync step."""
        factory = self.settings.session_factory
        if factory is not None:
            return cast(Session, factory())
        # In AUTOCOMMIT mode such an engine would not roll back what the session has begun.
        careless = getattr(self.given.dialect, "skip_autocommit_rollback", False)
        return StepSession(self.engine if careless else self.given)

    def open_async_session(self) -> AsyncSession:
        """Open the session of an async step."""
        if self.async_engine is None:
            raise RuntimeError("ctx.async_session needs bind(..., async_engine=...)")
        return AsyncSession(self.async_engine, sync_session_class=StepSession)

    def identity(self) -> str:
        """Return what tells this database and schema from all others; read once."""
        with self._lock:
            if self._identity is None:
                with self.engine.begin() as conn:
                    self._identity = lookup.installation(conn, self.db)[0]
            return self._identity

    def __repr__(self) -> str:
        return f"<Durable {self.name!r} {self.engine.url!r} schema {self.settings.schema!r}>"


def _channel(schema: str) -> str:
    """Return the name of the channel for NOTIFY, which has at most 63 bytes."""
    if schema == SCHEMA:
        return "gendurable"
    return f"gendurable_{zlib.crc32(schema.encode()):08x}"
