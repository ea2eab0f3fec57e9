"""The shop's database: the engine, the sessions of requests, and the binding of its machines."""

from __future__ import annotations

import os

from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

import gendurable as gd
from examples.shop.machines import Checkout, Ship
from examples.shop.stocktake import Stocktake

LEASE = float(os.environ.get("SHOP_LEASE", "30"))

#: A worker needs a connection for each step that runs at once, and four more.
engine = create_engine(
    os.environ.get("DATABASE_URL", "postgresql+psycopg:///shop"), pool_size=20, pool_pre_ping=True
)
Session = sessionmaker(engine)
durable = gd.bind(
    engine, fsms=[Checkout, Ship, Stocktake], lease_ttl=LEASE, heartbeat_interval=LEASE / 3
)
durable.schedule("stocktake", Stocktake(), cron="0 6 * * MON-SAT", timezone="Europe/Berlin")
