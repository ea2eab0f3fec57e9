"""The WSGI application: from a request to the page that answers it."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Callable, Iterable
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeAlias

from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy.exc import DataError, DBAPIError
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, NotFound, ServiceUnavailable
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from gendurable.engine import faults
from gendurable.errors import ConfigError, SchemaError
from gendurable.operations import Operations
from gendurable.web import actions, display, instances, listings, pages
from gendurable.web.guard import FIELD, HEADERS, Tokens, refuse_other_sites, refuse_strangers
from gendurable.web.page import Page

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from gendurable.durable import Durable

#: The host's hook: who is it? None: nobody who may come in. It may raise a werkzeug
#: ``HTTPException``, which becomes the answer: a redirect to a sign-in page, say.
Authenticate: TypeAlias = "Callable[[WSGIEnvironment], str | None]"

View: TypeAlias = Callable[..., Response]

#: No form of ours is larger; a signal's payload may have a megabyte.
LARGEST_FORM = 4_000_000

ROUTES: dict[str, View] = {
    "/": pages.overview,
    "/instances": instances.listing,
    "/instances/<int:id>": instances.one,
    "/machines": pages.machines,
    "/nodes": pages.nodes,
    "/limits": listings.limits,
    "/schedules": listings.schedules,
    "/do/<kind>/<action>": actions.carry_out,
}


def dashboard(
    durable: Durable,
    *,
    authenticate: Authenticate | None = None,
    actions: bool = False,
    secret: str | bytes | None = None,
    refresh: float = 3.0,
) -> WSGIApplication:
    """Return the dashboard of *durable* as a WSGI application.

    Args:
        durable: the binding whose instances are shown.
        authenticate: is given the WSGI environment and returns the name of the user, or None for
            one who may not come in. Without it, only requests from this machine are answered.
        actions: True lets users cancel, retry, signal, pause and so on; else it only shows.
        secret: signs the tokens of forms; give all processes of one site the same.
        refresh: how often, in seconds, an open page brings itself up to date; 0: never.

    Raises:
        ConfigError: an argument is not usable.
    """
    if not isinstance(durable, Operations):
        raise ConfigError(f"dashboard({durable!r}) takes a binding: what gendurable.bind() returns")
    hook: object = authenticate
    if hook is not None and not callable(hook):
        raise ConfigError(f"authenticate={authenticate!r} must be a function of the environment")
    if not 0 <= refresh <= 3600:
        raise ConfigError(f"refresh={refresh!r} must be a number of seconds, 0 to 3600")
    key = secret.encode() if isinstance(secret, str) else secret or b""
    # Without a secret it is the installation's id, which all processes share and no page shows.
    tokens = Tokens(lambda: key or durable.identity().encode())
    return Dashboard(durable, authenticate, bool(actions), tokens, refresh)


class Dashboard:
    """The application that ``dashboard`` returns."""

    def __init__(
        self,
        durable: Durable,
        authenticate: Authenticate | None,
        may_act: bool,
        tokens: Tokens,
        refresh: float,
    ) -> None:
        self._durable = durable
        self._authenticate = authenticate
        self._may_act = may_act
        self._tokens = tokens
        self._refresh = refresh
        self._templates = _templates()
        self._urls = Map(
            [Rule(path, endpoint=view) for path, view in ROUTES.items()]
            + [Rule("/static/<name>", endpoint="static")],
            strict_slashes=False,
        )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        request.max_content_length = LARGEST_FORM
        response = self._respond(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response(environ, start_response)

    def _respond(self, request: Request) -> Response:
        page = Page(self._durable, request, self._render, self._may_act)
        try:
            endpoint, values = self._urls.bind_to_environ(request.environ).match()
            if endpoint == "static":
                return static(request, **values)
            page.user = self._who(request)
            page.tokens = self._tokens
            if request.method == "POST":
                self._admit(request, page)
            elif request.method not in ("GET", "HEAD"):
                raise Forbidden("Only GET and POST are known here.")
            response: Response = endpoint(page, **values)
            if page.cookie is not None:
                self._tokens.keep(request, response, page.cookie)
            return response
        except HTTPException as error:
            return self._refusal(page, error)
        except SchemaError as error:
            return self._refusal(page, ServiceUnavailable(f"{error}."))
        except DataError:
            return self._refusal(page, BadRequest("Nothing can be found under such a value."))
        except DBAPIError as error:
            if not (faults.is_lost(error) or faults.is_transient(error)):
                raise
            return self._refusal(page, ServiceUnavailable(_away(error)))

    def _who(self, request: Request) -> str | None:
        """Return the user's name; None where nobody is asked.

        Raises:
            Forbidden: he may not come in.
        """
        if self._authenticate is None:
            refuse_strangers(request)
            return None
        user = self._authenticate(request.environ)
        if user is None:
            raise Forbidden("You may not see this dashboard. Sign in first, then come back.")
        return user

    def _admit(self, request: Request, page: Page) -> None:
        """Let a POST through that one of our own forms has made."""
        if not self._may_act:
            raise Forbidden("This dashboard only shows: actions are switched off.")
        refuse_other_sites(request)
        self._tokens.check(request, page.user)

    def _refusal(self, page: Page, error: HTTPException) -> Response:
        """Return the page of an error; an answer that the host's hook gave goes out as it is."""
        environ = page.request.environ
        if error.response is not None or error.code is None or error.code < 400:
            return Response.from_app(error.get_response(page.request.environ), page.request.environ)
        response = page.render(
            "error.html", code=error.code, name=error.name, text=error.description
        )
        response.status_code = error.code
        for name, value in error.get_headers(environ):
            if name.lower() not in ("content-type", "content-length"):
                response.headers.add(name, value)
        return response

    def _render(self, page: Page, template: str, values: dict[str, Any]) -> Response:
        html = self._templates.get_template(template).render(
            page=page,
            url=page.url,
            refresh=self._refresh,
            static=partial(_static_url, page.request.script_root),
            field=FIELD,
            **values,
        )
        return Response(html, mimetype="text/html")


def static(request: Request, name: str) -> Response:
    """Answer with one of the few files that pages need; their names bear their content's hash."""
    stem, _, rest = name.partition(".")
    found = _files().get(f"{stem}.{rest.rpartition('.')[2]}")
    if found is None:
        raise NotFound("There is no such file.")
    body, digest, kind = found
    response = Response(body, mimetype=kind)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    response.set_etag(digest)
    response.make_conditional(request)
    return response


@cache
def _files() -> dict[str, tuple[bytes, str, str]]:
    """Return the content, hash and type of the files in ``static/``, by name."""
    found = {}
    for file in files("gendurable.web").joinpath("static").iterdir():
        body = file.read_bytes()
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        found[file.name] = body, hashlib.sha256(body).hexdigest()[:12], kind
    return found


def _static_url(root: str, name: str) -> str:
    stem, _, ending = name.rpartition(".")
    return f"{root}/static/{stem}.{_files()[name][1]}.{ending}"


def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("gendurable.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        span=display.span,
        number=display.number,
        document=display.document,
        one_line=display.one_line,
    )
    environment.globals.update(
        when=display.when,
        standing=display.standing,
        sentence=display.sentence,
        allowance=display.allowance,
        curve=display.curve,
        statuses=display.STATUSES,
    )
    return environment


def _away(error: DBAPIError) -> str:
    if faults.sqlstate(error) == "57014":
        return "The database took too long over this page. Narrow the search, or try again."
    return "The database does not answer now. This page tries again by itself."
