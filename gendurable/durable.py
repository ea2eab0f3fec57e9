"""The binding of machines to a database: everything that an application calls."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from threading import Lock
from typing import Any, Literal, cast

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from gendurable import migrations
from gendurable.buffering import Buffering
from gendurable.callers import (
    Caller,
    Work,
    carry_out,
    me,
    refuse_outside,
    refuse_own,
    see_to,
    working,
)
from gendurable.editing import Editing
from gendurable.engine import control, enqueue, limits, targets
from gendurable.engine.probes import Probe, stamped, word_json
from gendurable.engine.scope import StepSession
from gendurable.errors import ConfigError
from gendurable.fsm import FSM
from gendurable.handle import Handle
from gendurable.maintenance import Maintenance
from gendurable.models import SCHEMA
from gendurable.models.schemas import tables_for
from gendurable.operations import Target, as_target
from gendurable.queries import lookup, signals
from gendurable.queries.statement import Database
from gendurable.registry import Catalogue
from gendurable.retry import Duration
from gendurable.rules import build
from gendurable.runtime.buffer import Buffer
from gendurable.runtime.notifier import Notifier
from gendurable.runtime.worker import Worker
from gendurable.scheduling import Scheduling
from gendurable.settings import ConcurrencyLimit, RateLimit, Settings, WorkerSettings
from gendurable.signals import Signal, payload_json, signal_name
from gendurable.spawn import LIVE, Key, Scope, Spawn, check_name


def bind(
    engine: Engine,
    *,
    async_engine: AsyncEngine | None = None,
    fsms: Iterable[type[FSM]] | None = None,
    session_factory: Callable[..., Any] | None = None,
    rate_limits: Mapping[str, RateLimit] | None = None,
    concurrency_limits: Mapping[str, ConcurrencyLimit] | None = None,
    **settings: Any,
) -> Durable:
    """Bind machines to the database of *engine*; opens no connection and starts no thread.

    Args:
        engine: the application's engine; its pool is the only one.
        async_engine: the engine for ``ctx.async_session``, to the same database.
        fsms: the classes that this binding runs; default: all that are defined.
        session_factory: makes the sessions of steps; default: ``Session(engine)``.
        rate_limits: the token buckets, by the name that keys begin with.
        concurrency_limits: how many instances of a key execute at once, likewise.
        settings: ``name``, ``schema``, ``lease_ttl``, ``heartbeat_interval``, ``poll_interval``,
            ``poll_max``, ``drain_timeout``, ``max_size``, ``listen``, ``listen_url``; durations
            are seconds or timedelta.

    Raises:
        ConfigError: settings are not usable; the message names all of them.
    """
    dialect = getattr(engine, "dialect", None)
    if getattr(dialect, "name", None) != "postgresql" or engine.dialect.driver != "psycopg":
        raise ConfigError(f"engine={engine!r} must be of create_engine('postgresql+psycopg://...')")
    settings["session_factory"] = session_factory
    settings["rate_limits"] = rate_limits or {}
    settings["concurrency_limits"] = concurrency_limits or {}
    checked = build(Settings, "bind", settings, Settings.__dataclass_fields__)
    return Durable(engine, async_engine, checked, Catalogue(fsms))


class Durable(Buffering, Editing, Scheduling, Maintenance):
    """Machines bound to a database: insert, signal and cancel instances, and run workers.

    Every method that takes ``session=`` works in that transaction (a ``Session``, a
    ``scoped_session`` or a ``Connection``) and takes effect if and when it commits; without one it
    has taken effect when it returns.
    """

    def __init__(
        self,
        engine: Engine,
        async_engine: AsyncEngine | None,
        settings: Settings,
        catalogue: Catalogue,
    ) -> None:
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
            self.engine,
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
        self._identity: str | None = None
        self._lock = Lock()

    def insert(
        self,
        obj: FSM,
        *,
        session: Caller = None,
        queue: str | None = None,
        priority: int = 0,
        delay: Duration | None = None,
        at: datetime | None = None,
        correlation_key: Key | None = None,
        correlation_scope: Scope | Literal["live", "all"] | None = LIVE,
        if_exists: Literal["raise", "return"] = "raise",
        concurrency_key: Key | None = None,
        rate_limit: Key | None = None,
        weight: int = 1,
        headers: dict[str, Any] | None = None,
    ) -> Handle:
        """Insert an instance in the state of *obj*, to start at its initial step.

        Args:
            obj: an FSM or Job object.
            session: the caller's transaction.
            queue: default: that of the class.
            priority: -32768 to 32767; lower ones start first.
            delay: how long to wait before it may start; seconds or timedelta.
            at: when it may start, instead of a delay; with a time zone.
            correlation_key: its business identity: unique and addressable in this binding.
            correlation_scope: how long the key is taken: LIVE, ALL, or None for a mere label.
            if_exists: what to do when the key is taken: "raise", or "return" the holder's handle.
            concurrency_key: at most so many instances with this key execute at once: one, unless
                ``concurrency_limits`` has an entry for the key's name, the part before a colon.
            rate_limit: the token bucket that each execution takes *weight* tokens from.
            weight: a positive integer.
            headers: JSON that goes along and is not touched.

        Raises:
            InvalidInput: an argument is not acceptable, or the state cannot be stored.
            DuplicateInstance: the key is taken.
            UnknownLimit: nobody configures the rate limit.
        """
        spawn = Spawn(
            obj,
            queue,
            priority,
            delay,
            at,
            correlation_key,
            correlation_scope,
            if_exists,
            concurrency_key,
            rate_limit,
            weight,
            headers,
        )
        spawn = stamped(spawn, self.probes)
        with working(self, session, single=True) as work:
            if rate_limit is not None:
                limits.check(work.conn, self.db, self.settings, [spawn])
            id, created = enqueue.insert(work.conn, self.db, spawn, self.settings.max_size)
            if created:
                work.queues.add(enqueue.queue_of(spawn))
        return Handle(id, created, self)

    def insert_all(
        self, objs: Iterable[FSM | Spawn], *, session: Caller = None
    ) -> list[Handle | None]:
        """Insert many at once; return their handles in order, None for what was a duplicate.

        Raises:
            InvalidInput: one of them is not acceptable; then none is inserted.
            UnknownLimit: nobody configures the rate limit of one.
        """
        spawns = self._spawns(objs)

        def insert(work: Work) -> list[tuple[int, bool] | None]:
            limits.check(work.conn, self.db, self.settings, spawns)
            made = enqueue.insert_all(work.conn, self.db, spawns, self.settings.max_size)
            work.queues.update(
                enqueue.queue_of(spawn)
                for spawn, one in zip(spawns, made, strict=True)
                if one is not None and one[1]
            )
            return made

        made = carry_out(self, session, insert)
        return [one and Handle(one[0], one[1], self) for one in made]

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

    def schedule_children(
        self, parent: Target, children: Iterable[FSM | Spawn], session: Caller = None
    ) -> int:
        """Add children to *parent* from outside of its steps; return how many were inserted.

        On a parent that is parked on its children they join the present round; on any other live
        one they are listed, and nothing waits for them.

        Raises:
            NoTarget: the parent has ended, or is not there.
            InvalidInput: it is the instance whose step is running here.
        """
        spawns = self._spawns(children)
        goal = as_target(parent)
        refuse_own(self, goal, "schedule children of")

        def add(work: Work) -> int:
            limits.check(work.conn, self.db, self.settings, spawns)
            row = control.adopt(work.conn, self.db, goal, me(self))
            count = enqueue.insert_children(
                work.conn, self.db, spawns, self.settings.max_size, row.id, row.round
            )
            control.join_round(work.conn, self.db, row, count)
            work.queues.update(enqueue.queue_of(spawn) for spawn in spawns)
            return count

        return carry_out(self, session, add)

    def worker(self, **settings: Any) -> Worker:
        """Return a worker for some queues: ``run()`` it, ``start()`` it, or use it in ``with``.

        Args:
            settings: ``queues`` (a dict of names and slots), ``reaper``, ``gc``, ``cron`` (each
                True, False or a dict of its settings), ``health_port``, ``health_host``.

        Raises:
            ConfigError: settings are not usable, or the engine's pool is too small.
        """
        names = WorkerSettings.__dataclass_fields__
        return Worker(self, build(WorkerSettings, "worker", settings, names))

    def create_schema(self) -> None:
        """Create the schema, or bring it up to this release; does nothing if it is."""
        migrations.create_schema(self.engine, self.settings.schema)

    # What the engine asks of its binding

    def open_session(self) -> Session:
        """Open the session of a sync step."""
        factory = self.settings.session_factory
        return cast(Session, factory()) if factory is not None else StepSession(self.engine)

    def open_async_session(self) -> AsyncSession:
        """Open the session of an async step."""
        if self.async_engine is None:
            raise RuntimeError("ctx.async_session needs bind(..., async_engine=...)")
        return AsyncSession(self.async_engine, sync_session_class=StepSession)

    def identity(self) -> str:
        """Return what tells this database and schema from all others; read once."""
        if self._identity is None:
            with self._lock, self.engine.begin() as conn:
                self._identity = lookup.installation(conn, self.db)[0]
        return self._identity

    def _spawns(self, objs: Iterable[FSM | Spawn]) -> list[Spawn]:
        return [stamped(one if isinstance(one, Spawn) else Spawn(one), self.probes) for one in objs]

    def __repr__(self) -> str:
        return f"<Durable {self.name!r} {self.engine.url!r} schema {self.settings.schema!r}>"


def _channel(schema: str) -> str:
    """Return the name of the channel for NOTIFY, which has at most 63 bytes."""
    if schema == SCHEMA:
        return "gendurable"
    return f"gendurable_{zlib.crc32(schema.encode()):08x}"
