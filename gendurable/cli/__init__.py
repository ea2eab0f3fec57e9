"""The command line, which needs the extra ``cli``."""

from __future__ import annotations

from typing import Any

#: What the extra brings.
NEEDED = ("click", "rich")


def main(*args: Any, **kwargs: Any) -> Any:
    """Run the command line; without the extra, say which one is missing."""
    try:
        from gendurable.cli.app import main as commands
    except ModuleNotFoundError as error:
        if error.name not in NEEDED:
            raise
        raise SystemExit(
            f"gendurable: the command line needs {error.name}: pip install 'gendurable[cli]'"
        ) from None
    return commands(*args, **kwargs)
