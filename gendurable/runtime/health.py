"""How a worker is, for those who watch over it; optionally over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

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
    """Answers ``GET /healthz``: 200 while the worker is well, 503 otherwise, with the details."""

    def __init__(self, health: Callable[[], Health], host: str, port: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the name that http.server asks for
                if self.path != "/healthz":
                    self.send_error(404)
                    return
                now = health()
                body = json.dumps(asdict(now)).encode()
                self.send_response(200 if now.ok else 503)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """A probe every few seconds is nothing to write down."""

        self._server = ThreadingHTTPServer((host, port), Handler)
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
