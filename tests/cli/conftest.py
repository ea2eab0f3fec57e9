"""An application for the command line, and a way to run a command in it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result

import gendurable as gd
from gendurable.cli.app import main
from gendurable.machine import isolated


class Go(gd.Signal, name="go"):
    pass


class Fee(gd.Signal, name="cli.fee"):
    amount: int


def machines() -> list[type[gd.FSM]]:
    """Define the machines of the application."""

    class Item(gd.FSM, name="cli.Item"):
        @gd.step
        def start(self, ctx: gd.Context) -> gd.Outcome:
            return gd.Await("never", then="start")

    class Order(gd.FSM, name="cli.Order", queue="orders", history="all"):
        order: int
        city: str | None = None

        @gd.step(initial=True)
        def start(self, ctx: gd.Context) -> gd.Outcome:
            return gd.Await(Go, then=self.pack, timeout=3600)

        @gd.step
        def pack(self, ctx: gd.Context) -> gd.Outcome:
            return gd.ScheduleChildren([Item(), Item()], then=self.end)

        @gd.step
        def end(self, ctx: gd.Context) -> gd.Outcome:
            return gd.Done(self.order)

    return [Order, Item]


@pytest.fixture
def app(engine) -> Iterator[Any]:
    """An importable module ``cliapp`` with a binding, its machines, and whatever a test adds."""
    module: Any = ModuleType("cliapp")
    with isolated():
        module.Order, module.Item = machines()
        module.durable = gd.bind(engine, fsms=[module.Order, module.Item])
        sys.modules["cliapp"] = module
        yield module
        del sys.modules["cliapp"]
        module.durable.notifier.close()


@pytest.fixture
def cli(app) -> Callable[..., Result]:
    """Run ``gendurable COMMAND cliapp:durable ...`` in this process."""

    def cli(
        command: str,
        *arguments: object,
        status: int = 0,
        app: str = "durable",
        stdin: str | None = None,
    ) -> Result:
        line = [*command.split(), f"cliapp:{app}", *map(str, arguments)]
        result = CliRunner().invoke(main, line, input=stdin, catch_exceptions=False)
        assert result.exit_code == status, result.output
        return result

    return cli


@pytest.fixture
def data(cli) -> Callable[..., Any]:
    """Run a command with ``--json`` and return what it printed."""

    def data(command: str, *arguments: object, status: int = 0, stdin: str | None = None) -> Any:
        return json.loads(cli(command, *arguments, "--json", status=status, stdin=stdin).stdout)

    return data
