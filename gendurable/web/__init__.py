"""The dashboard: what runs, what waits and why, and a hand on it, in a browser.

``dashboard(durable)`` is a WSGI application, to mount below a prefix of your own or to run alone
with ``serve(durable)``. Pages are made on the server and work without JavaScript; with it they keep
themselves up to date.
"""

from gendurable.web.app import dashboard
from gendurable.web.serving import serve

__all__ = ["dashboard", "serve"]
