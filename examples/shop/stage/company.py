"""Everything that runs during the show: PostgreSQL, the shop, the carrier and two workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, create_engine, insert

from examples.shop.models import Product
from examples.shop.stage import plan
from examples.shop.stage.processes import Service, free_port, migrate, wait_until_up
from gendurable.testing.server import Server

#: How long a dead worker's rows are its own, in seconds.
LEASE = 3

WORKER = [
    *("-m", "gendurable.cli", "worker", "examples.shop.db:durable"),
    *("-q", "checkout=4", "-q", "ship=8"),
]


@dataclass(frozen=True)
class Company:
    """The parts of the show that others deal with."""

    engine: Engine
    shop: str
    carrier: str
    steady: Service
    victim: Service
    services: tuple[Service, ...]

    def dead(self) -> list[Service]:
        """Return the services that ended by themselves."""
        return [service for service in self.services if service.exit_status is not None]


@contextmanager
def company(seed: int, logs: Path) -> Iterator[Company]:
    """Start all but the workers; end everything, whatever happens."""
    with ExitStack() as stack:
        server = stack.enter_context(Server(settings={}))
        shop_port, carrier_port = free_port(), free_port()
        shop, carrier = (f"http://127.0.0.1:{port}" for port in (shop_port, carrier_port))
        env = {
            "DATABASE_URL": server.url(),
            "CARRIER_URL": carrier,
            "SHOP_LEASE": str(LEASE),
            "SHOP_PAYMENT_WINDOW": str(plan.WINDOW),
        }
        door = ["-m", "waitress", "--threads=8", f"--listen=127.0.0.1:{shop_port}"]
        desk = ["-m", "examples.shop.stage.carrier", f"--port={carrier_port}", f"--seed={seed}"]
        services = tuple(
            Service(name, command, env, logs)
            for name, command in {
                "carrier": desk,
                "shop": [*door, "examples.shop.app:app"],
                "worker-1": WORKER,
                "worker-2": WORKER,
            }.items()
        )
        for service in services:
            stack.callback(service.stop)
        migrate(env)
        engine = create_engine(server.url())
        stack.callback(engine.dispose)
        _stock(engine)
        for service, url in zip(services, (f"{carrier}/labels", f"{shop}/orders/1"), strict=False):
            service.start()
            wait_until_up(service, url)
        yield Company(engine, shop, carrier, services[2], services[3], services)


def _stock(engine: Engine) -> None:
    """Fill the shelves."""
    with engine.begin() as connection:
        connection.execute(
            insert(Product),
            [
                {"sku": sku, "name": name, "price": price, "delivered": units, "on_hand": units}
                for sku, (name, price, units) in plan.CATALOGUE.items()
            ],
        )
