"""The engine taken apart as limits need it: claims that judge, looks that let in, both at will."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

from sqlalchemy import Connection

import gendurable as gd
from gendurable.engine import gates, limiter
from gendurable.engine.claim import claim
from gendurable.engine.nouns import Claim, Claimed
from tests.races.play import Actor, Play


class Gatekeeper(Play):
    """Rows with limits, and what a worker does with them, one call at a time."""

    def rows_of(self, count: int, **options: Any) -> list[int]:
        """Insert actors; return their ids."""
        spawns = [gd.Spawn(Actor(), **options) for _ in range(count)]
        return [int(one) for one in self.durable.insert_all(spawns) if one is not None]

    def turn(
        self,
        conn: Connection | None = None,
        *,
        worker: str = "w",
        demand: int = 100,
        queue: str = "default",
        ahead: int = 0,
    ) -> Claimed:
        """Claim once, in a transaction of its own unless *conn* has one; nobody looks at keys."""
        with self.engine.begin() if conn is None else nullcontext(conn) as conn:
            return claim(
                conn,
                self.db,
                queue,
                demand,
                ahead=ahead,
                worker=worker,
                ttl=30,
                catalogue=self.durable.catalogue,
            )

    def start(self, demand: int = 100, **options: Any) -> list[Claim]:
        """Claim as a worker does: again while it says so, and look at the keys that it names."""
        claims: list[Claim] = []
        for _ in range(50):
            claimed = self.turn(demand=demand - len(claims), **options)
            claims += claimed.claims
            self.look(claimed.look)
            if claimed.marked * 2 > demand:
                self.look(self.mark_crowd(**options))
            if not claimed.again or len(claims) >= demand:
                return claims
        raise AssertionError("the claims do not come to rest")

    def mark_crowd(self, queue: str = "default", **_: Any) -> set[str]:
        """Mark what else stands before the claim and cannot start; return the keys to look at."""
        with self.engine.begin() as conn:
            return limiter.mark_crowd(conn, self.db, queue)

    def started(self, demand: int = 100, **options: Any) -> list[int]:
        """Return the ids that a worker would start."""
        return [one.id for one in self.start(demand, **options)]

    def end(self, *claims: Claim, outcome: Any = None, worker: str = "w") -> None:
        """Commit an outcome for each, and look at the keys that were held."""
        said = gd.Done() if outcome is None else outcome
        answer = self.commit(*(self.say(one, said) for one in claims), worker=worker)
        assert len(answer.ids) == len(claims)
        self.look({one.concurrency_key for one in claims if one.concurrency_key is not None})

    def look(self, keys: Iterable[str], conn: Connection | None = None) -> gates.Seen:
        """Let in who waits for keys that have room."""
        with self.engine.begin() if conn is None else nullcontext(conn) as conn:
            return gates.look(conn, self.db, keys) if keys else gates.Seen()

    def sweep(self) -> set[str]:
        """Sweep once; return the keys for which somebody waits in vain."""
        with self.engine.begin() as conn:
            gates.stir(conn, self.db)
            return gates.sweep(conn, self.db)

    def ripen(self) -> set[str]:
        """Let in the heads of the buckets whose time has come; name their queues."""
        with self.engine.begin() as conn:
            return gates.ripen(conn, self.db)[1]

    def waits(self, *ids: int) -> list[str | None]:
        """What rows wait for."""
        return [self.row(id).blocked for id in ids]

    def executing(self, key: str) -> int:
        """How many rows of a key execute."""
        found = self.rows(
            "SELECT count(*) FROM gendurable.instances"
            " WHERE status = 'executing' AND concurrency_key = :key",
            key=key,
        )
        return int(found[0][0])

    def bucket(self, key: str) -> Any:
        """The row of a bucket, None without one."""
        found = self.rows("SELECT * FROM gendurable.buckets WHERE key = :key", key=key)
        return found[0] if found else None
