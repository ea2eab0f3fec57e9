"""What a view is given: the request, who makes it, and the binding."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote, urlencode

from werkzeug.wrappers import Request, Response

from gendurable.web.forms import ACTIONS

if TYPE_CHECKING:
    from gendurable.durable import Durable
    from gendurable.web.guard import Tokens

Render: TypeAlias = "Callable[[Page, str, dict[str, Any]], Response]"


class Page:
    """One request on its way to a page."""

    def __init__(self, durable: Durable, request: Request, render: Render, may_act: bool) -> None:
        self.durable = durable
        self.request = request
        self.may_act = may_act
        self.user: str | None = None
        self.tokens: Tokens | None = None
        self.cookie: str | None = None
        self._render = render

    @property
    def token(self) -> str:
        """What a form must send back; a page that has asked for it sets the cookie, too."""
        assert self.tokens is not None
        self.cookie, token = self.tokens.token(self.request, self.user)
        return token

    @property
    def by(self) -> str:
        """Whom the history names as the one who acted."""
        return self.user or "dashboard"

    @property
    def section(self) -> str:
        """The part of the dashboard that this page belongs to."""
        return self.request.path.strip("/").partition("/")[0]

    def url(self, path: str, **query: Any) -> str:
        """Return the address of a page of this dashboard, wherever it is mounted."""
        given = {key: value for key, value in query.items() if value not in (None, "", False)}
        tail = f"?{urlencode(given)}" if given else ""
        return f"{self.request.script_root}/{quote(path.lstrip('/'))}{tail}"

    def asked(self, name: str) -> str | None:
        """Return a value of the query, None if it is missing or blank."""
        return self.request.args.get(name, "").strip().replace("\0", "") or None

    @property
    def said(self) -> str | None:
        """What an action that has just been carried out has to say."""
        kind, _, name = (self.asked("said") or "").partition("-")
        one = ACTIONS.get((kind, name))
        return None if one is None else one.done

    def render(self, template: str, **values: Any) -> Response:
        """Return the page that *template* makes of *values*."""
        return self._render(self, template, values)

    def redirect(self, address: str) -> Response:
        """Send the browser on to *address*, to be fetched with GET."""
        return Response(status=303, headers={"Location": address})
