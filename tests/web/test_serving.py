"""The dashboard by itself: the function and the command that serve it."""

from __future__ import annotations

import logging
import threading
from urllib.request import urlopen

import pytest
from click.testing import CliRunner

from gendurable.cli.app import main
from gendurable.errors import ConfigError
from gendurable.web import serve, serving


@pytest.fixture
def servers(monkeypatch):
    """The servers that are started in this test; they are shut down when it ends."""
    started = []
    original = serving.make_server

    def make(*args, **options):
        started.append(original(*args, **options))
        return started[-1]

    monkeypatch.setattr(serving, "make_server", make)
    yield started
    for server in started:
        server.shutdown()


class TestServe:
    def test_serves(self, durable, servers, eventually):
        """A dashboard is served on a port of this machine until it is told to stop."""
        thread = threading.Thread(target=serve, args=(durable, "127.0.0.1", 0))
        thread.start()
        eventually(lambda: servers)
        with urlopen(f"http://127.0.0.1:{servers[0].server_port}/") as answer:
            assert b"Queues" in answer.read()
        servers.pop().shutdown()
        thread.join(10)
        assert not thread.is_alive()

    @pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org", ""])
    def test_refuses_a_public_address(self, durable, host):
        """Nothing is served to others when nobody would be asked who he is."""
        with pytest.raises(ConfigError, match="authenticate="):
            serve(durable, host)


class TestCommand:
    @pytest.fixture
    def called(self, durable, monkeypatch, tmp_path):
        """What the command would serve, and an application to serve."""
        calls = []
        monkeypatch.setattr("gendurable.web.serve", lambda *a, **k: calls.append((a, k)))
        monkeypatch.setattr(logging.getLogger(), "handlers", [logging.NullHandler()])
        (tmp_path / "served_app.py").write_text("durable = None\ndef who(environ): return 'ada'\n")
        monkeypatch.syspath_prepend(tmp_path)
        import served_app  # made just now

        served_app.durable = durable
        yield calls
        del __import__("sys").modules["served_app"]

    def test_serves_the_binding(self, called, durable):
        """The command serves on this machine, and only shows."""
        result = CliRunner().invoke(main, ["dashboard", "served_app:durable"])

        assert result.exit_code == 0, result.output
        assert called == [((durable, "127.0.0.1", 8321), {"authenticate": None, "actions": False})]

    def test_options(self, called):
        """A hook of the application lets it serve others, and act."""
        arguments = ["--host", "0.0.0.0", "--actions", "--authenticate", "served_app:who"]
        result = CliRunner().invoke(main, ["dashboard", "served_app:durable", *arguments])

        assert result.exit_code == 0, result.output
        ((_, host, _), options) = called[0]
        assert host == "0.0.0.0"
        assert options["authenticate"]({}) == "ada"
        assert options["actions"] is True

    @pytest.mark.parametrize("hook", ["nowhere:who", "served_app:nobody", ""])
    def test_a_hook_that_is_not_there(self, called, hook):
        """A hook that cannot be imported is a sentence, not a dashboard without one."""
        arguments = ["dashboard", "served_app:durable", "--authenticate", hook]
        result = CliRunner().invoke(main, arguments)

        assert result.exit_code == 2
        assert "--authenticate" in result.output
        assert called == []

    def test_a_public_address(self, called, monkeypatch):
        """Without a hook the command refuses to serve others, and says what to do."""
        monkeypatch.setattr("gendurable.web.serve", serve)
        result = CliRunner().invoke(main, ["dashboard", "served_app:durable", "--host", "0.0.0.0"])

        assert result.exit_code == 1
        assert "authenticate=" in result.output
