"""How a worker is, for those who watch over it; optionally over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from gendurable.errors import ConfigError
from gendurable.runtime.loop import Pulse


@dataclass(frozen=True, slots=True)
class Health:
    """How a worker is at this moment.

    It is ``ok`` while it runs, each of its loops turns as it should and it has threads left to
    work with. A database that is away is no illness: restarting the worker would not help.
    """

    ok: bool
    worker: str
    draining: bool
    held: int  # claims in its hands
    abandoned: int  # threads whose steps ran out of time and did not come back
    away: float | None  # for how many seconds the database has been out of reach
    loops: tuple[Pulse, ...]


class HealthServer:
    """Answers ``GET /healthz``: 200 while the worker is well, 503 otherwise, with the details.

    Raises:
        ConfigError: the port cannot be had.
    """

    def __init__(self, health: Callable[[], Health], host: str, port: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the name that http.server asks for
                self.wfile.write(self._answer())

            def do_HEAD(self) -> None:
                self._answer()

            def _answer(self) -> bytes:
                if self.path.partition("?")[0] != "/healthz":
                    self.send_error(404)
                    return b""
                now = health()
                body = json.dumps(_described(now)).encode()
                self.send_response(200 if now.ok else 503)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                return body

            def log_message(self, format: str, *args: object) -> None:
                """A probe every few seconds is nothing to write down."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise ConfigError(
                f"health_port={port} on health_host={host!r} cannot be had: {error}"
            ) from error
        self._server.daemon_threads = True
        Thread(target=self._server.serve_forever, name="gendurable-health", daemon=True).start()

    @property
    def port(self) -> int:
        """The port in use: another than asked for if that was 0."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


def _described(health: Health) -> dict[str, Any]:
    """Return how a worker is as JSON says it; a loop that does not turn is marked as such."""
    loops = [{**asdict(pulse), "ok": pulse.ok} for pulse in health.loops]
    return {**asdict(health), "loops": loops}
