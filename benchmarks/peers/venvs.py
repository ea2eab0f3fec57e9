"""Virtual environments of the peers: each has its own, so that nobody's versions bind another."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.peers.driver import Driver
from benchmarks.scenario import Refused
from benchmarks.stage import ROOT

PEERS = ("pgqueuer", "absurd", "dbos", "oban", "procrastinate")
FOLDER = ROOT / ".venv-peers"


def driver(name: str) -> Driver:
    """Return the driver of a peer; its engine is imported only where it is installed."""
    found: Driver = getattr(import_module(f"benchmarks.peers.{name}"), name.capitalize())()
    return found


def python_of(name: str) -> Path:
    """Return the interpreter that has the peer installed, making its environment at first.

    Raises:
        Refused: it cannot be installed here.
    """
    one, folder = driver(name), FOLDER / name
    python, mark = folder / "bin" / "python", folder / ".packages"
    wanted = " ".join(one.packages)
    if mark.exists() and mark.read_text() == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    print(f"installing {wanted}", file=sys.stderr, flush=True)
    _call([_interpreter(one.python), "-m", "venv", str(folder)])
    _call([str(python), "-m", "pip", "install", "-q", *one.packages])
    mark.write_text(wanted)
    return python


def version_of(name: str) -> str:
    """Return the version of the peer that is installed."""
    package = driver(name).packages[0].split("[")[0]
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return _call([str(python_of(name)), "-c", code]).strip()


def _interpreter(least: tuple[int, int]) -> str:
    """Return a Python that is new enough: this one, or one that BENCH_PYTHON or PATH names."""
    if sys.version_info >= least:
        return sys.executable
    named = os.environ.get("BENCH_PYTHON")
    names = [named] if named else [f"python3.{minor}" for minor in range(least[1], least[1] + 4)]
    code = f"import sys; sys.exit(sys.version_info < {least})"
    for name in filter(shutil.which, names):
        if subprocess.run([name, "-c", code], capture_output=True, check=False).returncode == 0:
            return name
    raise Refused(f"it needs Python {least[0]}.{least[1]} or newer; name one in BENCH_PYTHON")


def _call(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise Refused(f"{' '.join(command[1:4])} failed: {''.join(last)}")
    return done.stdout
