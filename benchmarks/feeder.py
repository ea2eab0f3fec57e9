"""A process that keeps a backlog of jobs before the workers, until it is told to stop."""

from __future__ import annotations

import argparse
import time

from sqlalchemy import create_engine, text

import gendurable as gd
from benchmarks.machines import Noop

#: How many rows are due at least, and how many are added when they are fewer.
LOW, CALL = 3_000, 1_000
_DUE = text("""
    SELECT count(*) FROM (
        SELECT FROM gendurable.instances
        WHERE status = 'runnable' AND blocked IS NULL AND paused_at IS NULL AND queue = 'default'
        LIMIT :low) due
""")


def main() -> None:
    """Fill up, say "ready", and go on filling."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--priority", type=int, default=0)
    options = parser.parse_args()
    engine = create_engine(options.url)
    durable = gd.bind(engine)
    ready = False
    while True:
        with engine.connect() as conn:
            due = conn.scalar(_DUE, {"low": LOW}) or 0
        if due < LOW:
            durable.insert_all([gd.Spawn(Noop(), priority=options.priority) for _ in range(CALL)])
        elif ready:
            time.sleep(0.02)
        else:
            ready = True
            print("ready", flush=True)


if __name__ == "__main__":
    main()
