"""Who gets in, who may act, and what pages tell a browser not to do."""

from __future__ import annotations

import re

import pytest
from werkzeug.exceptions import Unauthorized
from werkzeug.utils import redirect

from gendurable.errors import ConfigError
from gendurable.web import dashboard
from gendurable.web.guard import COOKIE
from tests.web.conftest import Order, Visitor


class TestStrangers:
    @pytest.mark.parametrize(
        "environ",
        [
            {"REMOTE_ADDR": "192.0.2.1"},
            {"REMOTE_ADDR": ""},
            {"REMOTE_ADDR": "::ffff:192.0.2.1"},
            {"HTTP_HOST": "dashboard.example"},
            {"HTTP_HOST": "127.0.0.1.example"},
            {"HTTP_HOST": "localhost.example:80"},
            {"HTTP_X_FORWARDED_FOR": "192.0.2.1"},
            {"HTTP_FORWARDED": "for=192.0.2.1"},
            {"HTTP_X_REAL_IP": "127.0.0.1"},
            {"HTTP_VIA": "1.1 proxy"},
        ],
    )
    def test_are_refused_where_nobody_is_asked(self, durable, environ):
        """Without a hook only this machine is answered, and only under a name of its own."""
        page = Visitor(dashboard(durable), **environ).get("/")

        assert page.status_code in (400, 403)
        assert "Queues" not in page.text

    @pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
    @pytest.mark.parametrize("host", ["localhost", "localhost:8321", "127.0.0.1:1", "[::1]:1"])
    def test_this_machine_is_answered(self, durable, address, host):
        """Whatever name and address of its own this machine uses."""
        visitor = Visitor(dashboard(durable), REMOTE_ADDR=address, HTTP_HOST=host)

        assert visitor.get("/").status_code == 200


class TestAuthenticate:
    def test_decides_who_comes_in(self, durable):
        """The hook sees the environment; None keeps a visitor out, from everywhere."""
        app = dashboard(durable, authenticate=lambda environ: environ.get("REMOTE_USER"))

        assert Visitor(app).get("/").status_code == 403
        public = Visitor(app, REMOTE_ADDR="192.0.2.1", HTTP_HOST="a.example", REMOTE_USER="ada")
        assert "ada" in public.get("/").text

    def test_an_empty_name_is_a_name(self, durable):
        """Only None keeps a visitor out."""
        assert Visitor(dashboard(durable, authenticate=lambda _: "")).get("/").status_code == 200

    def test_may_send_elsewhere(self, durable):
        """What the hook raises is the answer: a challenge, or a redirect to the sign-in page."""

        def challenge(environ):
            raise Unauthorized(www_authenticate=None, response=redirect("/sign-in"))

        answer = Visitor(dashboard(durable, authenticate=challenge)).get("/")
        assert (answer.status_code, answer.location) == (302, "/sign-in")

    @pytest.mark.parametrize("path", ["/", "/instances", "/instances/1", "/machines", "/nodes"])
    def test_guards_every_page(self, durable, path):
        """No page is shown to whom the hook keeps out."""
        app = dashboard(durable, authenticate=lambda environ: None)
        assert Visitor(app).get(path).status_code == 403
        assert Visitor(app).post("/do/instances/cancel", {"target": "1"}).status_code == 403

    @pytest.mark.parametrize("options", [{"authenticate": "ada"}, {"refresh": -1}])
    def test_bad_options(self, durable, options):
        """A dashboard that could not work is refused where it is made."""
        with pytest.raises(ConfigError):
            dashboard(durable, **options)


class TestReadOnly:
    def test_is_how_it_begins(self, durable, visitor, parked):
        """Unless told otherwise a dashboard offers nothing, and does nothing."""
        assert "/do/" not in visitor.get(f"/instances/{parked}").text
        assert visitor.get(f"/do/instances/cancel?target={parked}").status_code == 403
        answer = visitor.post("/do/instances/cancel", {"target": parked, "reason": "x"})
        assert answer.status_code == 403
        assert durable.instance(parked).status == "awaiting_signal"


class TestForms:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "none"},
            {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
        ],
    )
    def test_from_another_site(self, operator, durable, parked, headers):
        """A form that another site sends does nothing, though it knows the token."""
        token = operator.token(f"/do/instances/cancel?target={parked}")
        data = {"csrf": token, "target": parked, "reason": "x"}

        assert operator.post("/do/instances/cancel", data, **headers).status_code == 403
        assert durable.instance(parked).status == "awaiting_signal"

    @pytest.mark.parametrize(
        ("origin", "status"),
        [
            ("http://localhost", 303),
            ("https://localhost", 303),
            ("http://localhost:81", 403),
            ("http://evil.example", 403),
            ("null", 403),
            (None, 403),
        ],
    )
    def test_by_origin(self, operator, parked, origin, status):
        """A browser that does not say which site it is tells the origin; one of the two it must."""
        token = operator.token(f"/do/instances/cancel?target={parked}")
        data = {"csrf": token, "target": parked, "reason": "x"}
        headers = {} if origin is None else {"Origin": origin}
        answer = operator.client.post(
            "/do/instances/cancel", data=data, environ_overrides=operator.environ, headers=headers
        )

        assert answer.status_code == status

    @pytest.mark.parametrize("token", ["", "x", "ä", "0" * 64])
    def test_without_the_token(self, operator, durable, parked, token):
        """A form that does not bring the token does nothing."""
        operator.token(f"/do/instances/cancel?target={parked}")
        data = {"csrf": token, "target": parked, "reason": "x"}

        assert operator.post("/do/instances/cancel", data).status_code == 403
        assert durable.instance(parked).status == "awaiting_signal"

    def test_without_the_cookie(self, operator, parked):
        """A token is worth nothing in another browser."""
        data = {"csrf": operator.token(f"/do/instances/cancel?target={parked}"), "target": parked}
        operator.client.delete_cookie(COOKIE)

        assert operator.post("/do/instances/cancel", data).status_code == 403

    def test_of_another_user(self, durable, parked):
        """A token is worth nothing when somebody else has signed in meanwhile."""
        user = ["ada"]
        one = Visitor(dashboard(durable, authenticate=lambda _: user[0], actions=True))
        data = {"csrf": one.token(f"/do/instances/cancel?target={parked}"), "target": parked}
        user[0] = "bob"

        assert one.post("/do/instances/cancel", data | {"reason": "x"}).status_code == 403

    def test_another_process_knows_the_token(self, durable, parked):
        """Forms may be answered by another process than the one that showed them."""
        options = {"authenticate": lambda _: "ada", "actions": True}
        one, other = (Visitor(dashboard(durable, **options)) for _ in range(2))
        token = one.token(f"/do/instances/cancel?target={parked}")
        other.client = one.client
        other.client.application = dashboard(durable, **options)

        data = {"csrf": token, "target": parked, "reason": "x"}
        assert other.post("/do/instances/cancel", data).status_code == 303

    def test_a_secret_changes_the_token(self, durable, parked):
        """A token made with one secret is none under another."""
        options = {"authenticate": lambda _: "ada", "actions": True}
        one = Visitor(dashboard(durable, secret="a", **options))
        token = one.token(f"/do/instances/cancel?target={parked}")
        one.client.application = dashboard(durable, secret="b", **options)

        data = {"csrf": token, "target": parked, "reason": "x"}
        assert one.post("/do/instances/cancel", data).status_code == 403

    def test_the_cookie_is_hard_to_get_at(self, operator, parked):
        """No script reads it, no other site sends it, and it belongs to the mount."""
        answer = operator.get(f"/do/instances/cancel?target={parked}")

        cookie = answer.headers["Set-Cookie"]
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))

    def test_get_does_nothing(self, operator, durable, parked):
        """Following a link shows a form; only sending it does anything."""
        answer = operator.get(f"/do/instances/cancel?target={parked}&reason=x")

        assert answer.status_code == 200
        assert durable.instance(parked).status == "awaiting_signal"

    def test_a_huge_form_is_refused(self, operator, parked):
        """A form of many megabytes is not read."""
        answer = operator.post("/do/instances/signal", {"payload": "x" * 5_000_000})

        assert answer.status_code == 413


class TestHeaders:
    @pytest.mark.parametrize("path", ["/", "/instances", "/nowhere", "/instances?status=nonsense"])
    def test_forbid_what_pages_never_do(self, visitor, path):
        """No inline script or style, no framing, no sniffing, nothing from elsewhere, no cache."""
        headers = visitor.get(path).headers

        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"

    def test_pages_keep_to_the_policy(self, visitor, durable):
        """No page has a script, a style or a handler of its own."""
        durable.insert(Order())
        for path in ("/", "/instances", "/instances/1", "/machines", "/nodes"):
            page = visitor.get(path).text
            assert not re.search(r"<script(?! src=\"/static)|<style|\sstyle=|\son\w+=", page)

    def test_static_files_are_kept(self, visitor):
        """The style sheet's name bears its hash, so a browser may keep it for ever."""
        name = re.search(r'href="(/static/app\.\w+\.css)"', visitor.get("/").text)[1]

        answer = visitor.get(name)
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.mimetype == "text/css"

    @pytest.mark.parametrize("name", ["secret.txt", "..%2Fapp.py", "app.0.py"])
    def test_nothing_else_is_static(self, visitor, name):
        """There are three such files, and no way to any other."""
        assert visitor.get(f"/static/{name}").status_code == 404
