"""What is measured: a worker process that says "ready", and begins at a line from its parent."""

from __future__ import annotations

import argparse
import sys

from sqlalchemy import create_engine

import gendurable as gd
from benchmarks import machines
from benchmarks.stage import LIMITS, SLOTS


def main() -> None:
    """Work until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--slots", type=int, default=SLOTS)
    parser.add_argument("--retention", type=float, help="seconds until what is done is deleted")
    options = parser.parse_args()
    engine = create_engine(options.url, pool_size=options.slots + 8, pool_use_lifo=True)
    durable = gd.bind(engine, concurrency_limits=LIMITS)
    gc = True if options.retention is None else {"interval": 5, "retention": options.retention}
    worker = durable.worker(queues={"default": options.slots}, gc=gc)
    with engine.connect():
        print("ready", flush=True)
    sys.stdin.readline()
    worker.run()


if __name__ == "__main__":
    assert machines.BOARD is not None
    main()
