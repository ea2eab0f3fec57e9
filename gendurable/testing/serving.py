"""A server for as long as a shell wants one: ``python -m gendurable.testing.server``."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from sqlalchemy.exc import ProgrammingError

from gendurable.testing.databases import create_database, programs, url_of
from gendurable.testing.server import CARELESS, Server

#: How PostgreSQL says that a database is there already.
DUPLICATE = "42P04"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a server until SIGINT or SIGTERM, and print its URL; return the exit status."""
    given = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _serve(given.directory, given.database)
    except KeyboardInterrupt:
        return 0
    except (RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def _serve(directory: Path | None, database: str) -> NoReturn:
    """Run a server on *directory*, or on a temporary one, until somebody interrupts that."""
    server = Server(programs(), directory, {} if directory else CARELESS)
    try:
        server.start()
        print(_database(server.url(), database), flush=True)
        fate = f"stays in {directory}" if directory else "goes with it"
        print(f"Ctrl-C ends it; its data {fate}", file=sys.stderr, flush=True)
        server.wait()
        raise RuntimeError(f"PostgreSQL has ended by itself; its log is {server.log}")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # it ends already
            signal.signal(number, signal.SIG_IGN)
        server.close()


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "python -m gendurable.testing.server",
        description="Run a PostgreSQL until Ctrl-C or SIGTERM, and print its URL.",
    )
    parser.add_argument(
        "directory",
        nargs="?",
        type=Path,
        metavar="DIR",
        help="keeps the data there; default: a temporary directory, removed at the end",
    )
    parser.add_argument(
        "--database",
        default="postgres",
        metavar="NAME",
        help="the database of the URL, made if it is not there yet; default: postgres",
    )
    return parser


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _database(server: str, name: str) -> str:
    """Return the URL of the database *name*, which is created if there is none."""
    try:
        return create_database(server, name)
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != DUPLICATE:
            raise
        return url_of(server, name)
