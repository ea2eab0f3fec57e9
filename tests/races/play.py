"""What the schedules are played with: one machine, and the engine's functions, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing, contextmanager
from typing import Any

from sqlalchemy import Connection, event, text

import gendurable as gd
from gendurable.engine import leases
from gendurable.engine.claim import BATCH, claim
from gendurable.engine.commit import commit
from gendurable.engine.encode import encode
from gendurable.engine.executor import Executor, Hooks
from gendurable.engine.group import commit_after_parents, commit_group
from gendurable.engine.nouns import Claim, Committed, Finished
from gendurable.queries.claim import CLAIM
from gendurable.runtime.link import Link
from gendurable.state import load_state

#: What the steps of ``Actor`` do in this test, by step: a call that returns an outcome.
SCRIPT: dict[str, Callable[[Any, gd.Context], Any]] = {}


class Actor(gd.FSM, name="races.Actor", history="off"):
    """A machine that does what its test says; by default it ends at once."""

    note: str = ""

    @gd.step(initial=True)
    def start(self, ctx: gd.Context) -> gd.Outcome:
        return SCRIPT.get("start", lambda obj, ctx: gd.Done())(self, ctx)

    @gd.step
    def then(self, ctx: gd.Context) -> gd.Outcome:
        return SCRIPT.get("then", lambda obj, ctx: gd.Done())(self, ctx)

    def handle(self, error: Exception, ctx: gd.Context) -> gd.Outcome:
        if "handle" in SCRIPT:
            return SCRIPT["handle"](error, ctx)
        return gd.Stop(error)


class Mortal(gd.FSM, name="races.Mortal", max_crashes=2):
    """A machine that survives one crash in a row."""

    @gd.step
    def start(self, ctx: gd.Context) -> gd.Outcome:
        return SCRIPT["start"](self, ctx)


class Play:
    """The engine of one test: claim, run, commit, each when the schedule says so."""

    def __init__(self, durable: gd.Durable) -> None:
        self.durable = durable
        self.db = durable.db
        self.engine = durable.engine
        #: Ids of signals that lie in the inbox of a parked row because its step had seen them.
        self.unheeded = ""

    @contextmanager
    def _on(self, conn: Connection | None):
        if conn is not None:
            yield conn
        else:
            with self.engine.begin() as conn:
                yield conn

    def actor(self, **options: Any) -> int:
        """Insert an actor; return its id."""
        return int(self.durable.insert(Actor(), **options))

    def claim(
        self, conn: Connection | None = None, worker: str = "w", demand: int = 100, ttl: float = 30
    ) -> list[Claim]:
        """Claim for *worker*, in a transaction of its own unless *conn* has one."""
        claims: list[Claim] = []
        with self._on(conn) as conn:
            while len(claims) < demand:
                claims += (more := self.claimed(conn, worker, demand - len(claims), ttl).claims)
                if len(more) < BATCH:
                    break
        return claims

    def claimed(self, conn: Connection, worker: str = "w", demand: int = 100, ttl: float = 30):
        """Claim, and return all that the claim said."""
        return claim(
            conn,
            self.db,
            "default",
            demand,
            worker=worker,
            ttl=ttl,
            catalogue=self.durable.catalogue,
        )

    def one(self, worker: str = "w", ttl: float = 30) -> Claim:
        """Claim the only row that can run."""
        (found,) = self.claim(worker=worker, ttl=ttl)
        return found

    def run(self, claim: Claim, worker: str = "w") -> Finished:
        """Run the step of a claim, as a worker does."""
        hooks = Hooks(stopping=lambda claim: False, heartbeat=lambda claim: None)
        return Executor(self.durable, worker, hooks).run(claim)

    def say(self, claim: Claim, outcome: Any) -> Finished:
        """Encode *outcome* as what the step of *claim* has said."""
        awaited = [one.id for one in claim.signals if one.name in (claim.awaits or ())]
        obj = load_state(claim.machine.cls, claim.state)
        return encode(claim, obj, outcome, awaited=awaited, max_size=1_000_000)

    def commit(
        self,
        *batch: Finished,
        conn: Connection | None = None,
        worker: str = "w",
        wait: bool = False,
        ttl: float | None = None,
    ) -> Committed:
        """Commit in a transaction of its own, unless *conn* has one; with *ttl* steps run ahead."""
        with self._on(conn) as conn:
            return commit(conn, self.db, worker, batch, wait=wait, ttl=ttl)

    def group(self, *batch: Finished, worker: str = "w") -> Committed:
        """Commit as the committer does."""
        with closing(Link(self.engine)) as link:
            return commit_group(link.begin, self.db, worker, batch)

    def behind_parents(self, *batch: Finished, worker: str = "w") -> Committed:
        """Commit as the committer does at its second try for a held parent."""
        with closing(Link(self.engine)) as link:
            return commit_after_parents(link.begin, self.db, worker, batch)

    def step(self, outcome: Any = None) -> Committed:
        """Claim the only row that can run and let it say *outcome*, or what its script says."""
        claim = self.one()
        return self.commit(self.run(claim) if outcome is None else self.say(claim, outcome))

    def parked(self, names: str | Iterable[str] = "go", **options: Any) -> int:
        """Insert an actor that waits for a signal; return its id."""
        id = self.actor(**options)
        (claim,) = [one for one in self.claim() if one.id == id]
        self.commit(self.say(claim, gd.Await(names, then="then")))
        return id

    def family(self, count: int, **options: Any) -> tuple[int, list[Claim]]:
        """Insert an actor that waits for *count* children; return its id and their claims."""
        id = self.actor()
        (claim,) = self.claim()
        children = [Actor() for _ in range(count)]
        self.commit(self.say(claim, gd.ScheduleChildren(children, then="then", **options)))
        claims = self.claim()
        assert len(claims) == count
        return id, claims

    def reap(self, conn: Connection | None = None):
        """Sweep once, without grace for workers that still beat."""
        with self._on(conn) as conn:
            return leases.reap(conn, self.db, self.durable.catalogue, grace=0.0)

    def lock(self, conn: Connection, *ids: int) -> None:
        """Hold rows, as somebody's open transaction may."""
        conn.execute(
            text("SELECT 1 FROM gendurable.instances WHERE id = ANY(:ids) FOR NO KEY UPDATE"),
            {"ids": list(ids)},
        )

    def watch(self, conn: Connection, beginning: str, call: Callable[[], Any]) -> None:
        """Call after each statement of *conn* that holds a text."""

        def after(conn, cursor, statement, *_: Any) -> None:
            if beginning in statement:
                call()

        event.listen(conn, "after_cursor_execute", after)

    def fire(self, conn: Connection | None = None):
        """Fire the deadlines that have passed."""
        with self._on(conn) as conn:
            return leases.fire_deadlines(conn, self.db)

    @contextmanager
    def gate(self):
        """Keep every gated claim between its snapshot and its first lock, until the block ends."""
        with self.engine.begin() as conn:
            conn.exec_driver_sql("SELECT pg_advisory_xact_lock(4711)")
            yield

    def gated_claim(self, conn: Connection, worker: str = "gated") -> list[int]:
        """Claim, stopping at the gate; return the ids claimed."""
        sql = CLAIM.sql(self.db.schema).replace(
            "statement_timestamp() ORDER BY instances.eligible_at,",
            "(SELECT statement_timestamp() FROM pg_advisory_xact_lock(4711)) ORDER BY"
            " instances.eligible_at,",
        )
        assert "pg_advisory_xact_lock(4711)" in sql
        parameters = {"in_queue": "default", "up_to": 100, "worker": worker, "ttl": 30.0}
        rows = conn.exec_driver_sql(sql, parameters).all()
        return [row.id for row in rows if row.started]

    def row(self, id: int) -> Any:
        """Return the committed row."""
        return self.rows("SELECT * FROM gendurable.instances WHERE id = :id", id=id)[0]

    def mail(self, id: int) -> list[tuple[int, str]]:
        """Return (id, name) of what lies in the inbox."""
        found = self.rows(
            "SELECT id, name FROM gendurable.signals WHERE target_id = :id AND consumed_at IS NULL"
            " ORDER BY id",
            id=id,
        )
        return [tuple(one) for one in found]

    def rows(self, sql: str, **parameters: Any) -> list[Any]:
        """Run a query in a transaction of its own."""
        with self.engine.begin() as conn:
            return list(conn.execute(text(sql), parameters).all())

    def change(self, sql: str, **parameters: Any) -> None:
        """Change rows behind the engine's back, in a transaction of its own."""
        with self.engine.begin() as conn:
            conn.execute(text(sql), parameters)

    def expire(self, *ids: int) -> None:
        """Let the leases of some rows lapse."""
        self.change(
            "UPDATE gendurable.instances SET lease_expires_at = statement_timestamp()"
            " - interval '1 hour' WHERE id = ANY(:ids)",
            ids=list(ids),
        )
