"""Who may look, who may act, and what a browser is told not to do with our pages."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from werkzeug.exceptions import Forbidden
from werkzeug.wrappers import Request, Response

#: The cookie whose value a form must know; only pages of this site can read what we derive from it.
COOKIE = "gendurable_csrf"
#: The field of a form that proves it.
FIELD = "csrf"

#: Nothing from elsewhere, nothing inline, no framing, no posting to others. Pictures may be data:
#: those of machines are, and a picture runs no script.
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

#: What proxies add: a request that bears one of these comes from farther than it looks.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")


def is_loopback(host: str | None) -> bool:
    """Whether *host*, a name or an address, with or without a port, is this machine's own."""
    name = urlsplit(f"//{host or ''}").hostname or ""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def refuse_strangers(request: Request) -> None:
    """Refuse, where nobody is asked who he is, all who do not sit at this machine.

    The name in ``Host`` counts too: a page elsewhere may point a name of its own at 127.0.0.1, and
    would be of the same origin as this one.

    Raises:
        Forbidden: the request comes from elsewhere, or may.
    """
    address = request.remote_addr or ""
    bare = f"[{address}]" if ":" in address else address
    relayed = any(name in request.headers for name in _FORWARDED)
    if relayed or not is_loopback(bare) or not is_loopback(request.host):
        raise Forbidden(
            "Nobody is asked to sign in here, so this dashboard answers to its own machine only."
            " To serve others, give dashboard() the hook authenticate=."
        )


def refuse_other_sites(request: Request) -> None:
    """Refuse a POST that a page of another site has made.

    Browsers say where a request was made: in ``Sec-Fetch-Site`` over HTTPS and to this machine, in
    ``Origin`` always. One that says neither is no browser's.

    Raises:
        Forbidden: it was made elsewhere, or it cannot be told where.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        same = site == "same-origin"
    else:
        same = origin is not None and urlsplit(origin).netloc == request.host
    if not same:
        raise Forbidden("This form was sent from another site, so nothing was done.")


class Tokens:
    """What a form must bring along: derived from a cookie, the user and the host's secret."""

    def __init__(self, secret: Callable[[], bytes]) -> None:
        self._secret = secret

    def token(self, request: Request, user: str | None) -> tuple[str, str]:
        """Return the cookie of this browser, a new one if it has none, and its token."""
        cookie = request.cookies.get(COOKIE) or secrets.token_urlsafe(32)
        return cookie, self._sign(cookie, user)

    def keep(self, request: Request, response: Response, cookie: str) -> None:
        """Have the browser remember *cookie* until it is closed."""
        response.set_cookie(
            COOKIE,
            cookie,
            path=request.script_root or "/",
            secure=request.is_secure,
            httponly=True,
            samesite="Strict",
        )

    def check(self, request: Request, user: str | None) -> None:
        """Refuse a form that does not come from one of our pages.

        Raises:
            Forbidden: the token is missing, or belongs to somebody else.
        """
        cookie = request.cookies.get(COOKIE, "")
        given = request.form.get(FIELD, "")
        expected = self._sign(cookie, user)
        if not cookie or not hmac.compare_digest(given.encode(), expected.encode()):
            raise Forbidden(
                "This form is too old, or was not made for you; nothing was done. Go back, load"
                " the page again, and send it once more."
            )

    def _sign(self, cookie: str, user: str | None) -> str:
        return hmac.new(self._secret(), f"{cookie}\n{user or ''}".encode(), "sha256").hexdigest()
