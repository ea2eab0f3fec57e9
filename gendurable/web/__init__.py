"""The dashboard: what runs, what waits and why, and a hand on it, in a browser.

``dashboard(durable)`` is a WSGI application, to mount below a prefix of your own or to run alone
with ``serve(durable)``. Pages are made on the server and work without JavaScript; with it they keep
themselves up to date.
"""

#: What the extra brings.
NEEDED = ("jinja2", "markupsafe", "werkzeug")

try:
    from gendurable.web.app import dashboard
    from gendurable.web.serving import serve
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in NEEDED:
        raise
    raise ModuleNotFoundError(
        f"the dashboard needs {error.name}: pip install 'gendurable[web]'", name=error.name
    ) from error

__all__ = ["dashboard", "serve"]
