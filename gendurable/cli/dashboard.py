"""``gendurable dashboard``: the dashboard by itself, from a shell."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from gendurable.cli.target import Target
from gendurable.errors import GenDurableError

if TYPE_CHECKING:
    from gendurable.durable import Durable


@click.command(short_help="Serve the dashboard until interrupted.")
@click.argument("target", type=Target())
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8321, show_default=True)
@click.option("--actions/--read-only", default=False, help="Let users cancel, retry, signal ...")
@click.option(
    "--authenticate",
    "hook",
    metavar="MODULE:FUNCTION",
    help="Asked who a user is, with the WSGI environment; needed for any other --host.",
)
def dashboard(target: Durable, host: str, port: int, actions: bool, hook: str | None) -> None:
    """Serve the dashboard of the binding TARGET, until interrupted.

    \b
    Examples:
      gendurable dashboard myapp:durable
      gendurable dashboard myapp:durable --actions --port 8000
      gendurable dashboard myapp:durable --host 0.0.0.0 --authenticate myapp:who
    """
    who = None if hook is None else _function(hook)
    open_dashboard(target, host, port, authenticate=who, actions=actions)


def web_server() -> Callable[..., None]:
    """Return ``gendurable.web.serve``, or say which package it needs."""
    try:
        from gendurable.web import serve
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ("werkzeug", "jinja2", "markupsafe"):
            raise
        raise click.ClickException(
            f"the dashboard needs {package}: pip install 'gendurable[web]'"
        ) from None
    return serve


def open_dashboard(target: Durable, host: str, port: int, **options: Any) -> None:
    """Serve the dashboard until interrupted, with the options of ``gendurable.web.serve``."""
    serve = web_server()
    if not logging.getLogger().handlers:  # an application that set up its logging keeps it
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # no line for each request
    try:
        serve(target, host, port, **options)
    except (GenDurableError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _function(name: str) -> Any:
    """Return the function that is called ``module:function``."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError, ValueError) as error:
        raise click.BadParameter(f"{name!r}: {error}", param_hint="--authenticate") from error
