"""The dashboard by itself: a small server, for the machine that it runs on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from werkzeug.serving import make_server

from gendurable.errors import ConfigError
from gendurable.web.app import Authenticate, dashboard
from gendurable.web.guard import is_loopback

if TYPE_CHECKING:
    from gendurable.durable import Durable

log = logging.getLogger("gendurable.web")


def serve(
    durable: Durable,
    host: str = "127.0.0.1",
    port: int = 8321,
    *,
    authenticate: Authenticate | None = None,
    actions: bool = False,
) -> None:
    """Serve the dashboard of *durable* at ``http://host:port/`` until it is interrupted.

    It speaks HTTP only. For the public, mount ``dashboard()`` in your own application, behind what
    terminates TLS there.

    Raises:
        ConfigError: *host* can be reached by others, and nobody would be asked who he is.
    """
    if authenticate is None and not is_loopback(f"[{host}]" if ":" in host else host):
        raise ConfigError(
            f"host={host!r} can be reached by others, and nothing asks them who they are: give"
            " authenticate=, or serve on 127.0.0.1 and reach it through a tunnel"
        )
    app = dashboard(durable, authenticate=authenticate, actions=actions)
    server = make_server(host, port, app, threaded=True)
    try:
        log.info("the dashboard is at http://%s:%d/", host, server.server_port)
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
