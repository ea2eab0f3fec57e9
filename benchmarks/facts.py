"""What the figures were measured on: the machine, the versions, the server's settings."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import text

from benchmarks.stage import SLOTS, Stage

PACKAGES = ("SQLAlchemy", "psycopg", "pydantic")
SETTINGS = (
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "shared_buffers",
    "max_wal_size",
    "wal_level",
    "commit_delay",
)


def facts(stage: Stage) -> dict[str, Any]:
    """Return what must be told along with figures.

    Raises:
        RuntimeError: the server would say that a commit is on the disk when it is not.
    """
    with stage.raw() as conn:
        server = conn.scalar(text("SHOW server_version"))
        settings = {name: conn.scalar(text(f"SHOW {name}")) for name in SETTINGS}
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        if settings[name] != "on":
            raise RuntimeError(f"{name} is {settings[name]}: that would be no honest run")
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory GB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "load": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        "postgresql": server,
        "settings": settings,
        "packages": {name: version(name) for name in PACKAGES},
        "slots": SLOTS,
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(": ", 1)[1] for line in lines if "model name" in line), "unknown")
