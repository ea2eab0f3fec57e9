"""What must hold whatever happens to workers and database: nothing twice, nothing lost."""

from __future__ import annotations

import signal
from pathlib import Path
from time import monotonic, sleep

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from gendurable.migrations import create_schema
from gendurable.testing.server import Server
from tests.acceptance.chaos.app import Gate, Gather, Inside, Outside

pytestmark = pytest.mark.slow

#: These take their time on a loaded machine.
PATIENCE = 60

KILLS = 30
MACHINES = 400


class TestKills:
    def test_effects_in_the_session_happen_once(self, world, durable, eventually):
        """30 kill -9 of two workers: the rows of 400 machines of 5 steps are 2,000, all distinct.

        The same machine with its effect on a connection of its own does it more than once.
        """
        # Mixed, so that each kill finds both at work
        durable.insert_all([Inside() if n % 5 else Outside() for n in range(MACHINES * 5 // 4)])
        working = [world.worker() for _ in range(2)]
        total = 5 * MACHINES
        for kill in range(1, KILLS + 1):
            some = kill * total // (KILLS + 5)
            eventually(
                lambda some=some: world.count("FROM effects WHERE kind = 'inside'") >= some,
                PATIENCE,
            )
            working.pop(0).end()
            working.append(world.worker())

        eventually(lambda: world.left() == 0, PATIENCE)

        inside = "FROM effects WHERE kind = 'inside'"
        assert world.count(inside) == total
        assert world.count(f"FROM (SELECT DISTINCT instance, n {inside}) AS one") == total
        outside = "FROM effects WHERE kind = 'outside'"
        assert world.count(f"FROM (SELECT DISTINCT instance, n {outside}) AS one") == total // 4
        assert world.count(outside) > total // 4


class TestSignals:
    def test_none_is_lost_in_a_race_with_parking(self, world, durable, eventually):
        """2,000 signals from 4 processes race the parks of 40 machines, and each is taken once."""
        handles = durable.insert_all([Gather(wanted=50) for _ in range(40)])
        for _ in range(2):
            world.worker()
        targets = [int(handle) for handle in handles if handle is not None]
        senders = [world.sender(targets, range(n, 2000, 4)) for n in range(4)]
        assert [sender.wait(PATIENCE) for sender in senders] == [0, 0, 0, 0]

        eventually(lambda: world.left() == 0, PATIENCE)

        results = world.rows("SELECT result FROM gendurable.instances")
        assert sorted(n for (numbers,) in results for n in numbers) == list(range(2000))
        assert world.count("FROM gendurable.signals") == 0


class TestPauses:
    def test_a_late_outcome_is_dropped(self, world, durable, eventually):
        """A worker that was stopped past its lease comes back to a row that is another's."""
        first = world.worker(reaper=False)
        handle = durable.insert(Gate())
        eventually(lambda: begun(world) == [0], PATIENCE)
        first.signal(signal.SIGSTOP)
        second = world.worker()
        eventually(lambda: begun(world) == [0, 1], PATIENCE)
        let_through(world, handle, 0)

        first.signal(signal.SIGCONT)

        eventually(lambda: world.count("FROM stale") == 1, PATIENCE)
        assert world.left() == 1
        let_through(world, handle, 1)
        assert durable.wait(handle, PATIENCE, "terminal").result == 1
        assert first.alive
        assert second.alive

    def test_even_if_the_same_worker_has_the_row_again(self, world, durable, eventually):
        """The number of the claim tells a late outcome from that of the worker's next claim."""
        only = world.worker(reaper=False)
        handle = durable.insert(Gate())
        eventually(lambda: begun(world) == [0], PATIENCE)
        only.signal(signal.SIGSTOP)
        with durable.worker(queues={"other": 1}, gc=False):
            eventually(lambda: world.count(READY) == 1, PATIENCE)
        only.signal(signal.SIGCONT)
        eventually(lambda: begun(world) == [0, 1], PATIENCE)

        let_through(world, handle, 0)

        eventually(lambda: world.count("FROM stale") == 1, PATIENCE)
        assert world.left() == 1
        let_through(world, handle, 1)
        assert durable.wait(handle, PATIENCE, "terminal").result == 1


READY = "FROM gendurable.instances WHERE status = 'runnable' AND attempt = 1"


def begun(world) -> list[object]:
    return [attempt for (attempt,) in world.rows("SELECT attempt FROM attempts ORDER BY 1")]


def let_through(world, handle, attempt: int) -> None:
    with world.engine.begin() as conn:
        conn.execute(text("INSERT INTO gates VALUES (:id, :n)"), {"id": int(handle), "n": attempt})


class TestOutage:
    @pytest.fixture
    def server(self, tmp_path: Path):
        with Server(parent=Path("/dev/shm") if Path("/dev/shm").is_dir() else None) as server:
            yield server

    def test_workers_outlive_the_database(self, server, world_of, eventually):
        """All backends ended five times and the server gone for 8 s, under load: all finishes."""
        create_schema(create_engine(server.url(), poolclass=NullPool))
        world = world_of(server.url())
        world.durable.insert_all([Inside() for _ in range(600)])
        world.durable.insert_all([Outside() for _ in range(200)])
        workers = [world.worker() for _ in range(2)]
        for blow in range(1, 6):
            eventually(
                lambda blow=blow: world.count("FROM effects WHERE kind = 'inside'") >= 300 * blow,
                PATIENCE,
            )
            world.rows(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )

        server.stop(signal.SIGQUIT)
        began = monotonic()
        while (left := began + 8 - monotonic()) > 0:
            assert all(worker.alive for worker in workers)
            sleep(min(left, 0.5))
        server.start()
        world.engine.dispose()

        eventually(lambda: world.left() == 0, PATIENCE)
        assert all(worker.alive for worker in workers)
        inside = "FROM effects WHERE kind = 'inside'"
        assert world.count(inside) == 3000
        assert world.count(f"FROM (SELECT DISTINCT instance, n {inside}) AS one") == 3000
        for worker in workers:
            worker.signal(signal.SIGTERM)
        assert [worker.wait() for worker in workers] == [0, 0]
