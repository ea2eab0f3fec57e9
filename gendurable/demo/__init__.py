"""What ``gendurable demo`` runs: coins that go from purse to purse, and may not get lost.

A transfer takes coins out of one purse and, in its next step, gives them to another. In between
nobody has them but the state of the machine; so if a step, or what it wrote, were lost or done
twice, the purses would not hold in the end what they held in the beginning.
"""

from __future__ import annotations

import os
import random
import time

from sqlalchemy import CheckConstraint, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import gendurable as gd

#: The demo has a schema of its own, for its purses and for the tables of the engine.
SCHEMA = "gendurable_demo"
PURSES = 10
COINS = 100

#: How long a step takes, so that there is somebody to kill, in seconds.
MOMENT = 0.02
#: How long the rows of a dead worker are its own, in seconds.
LEASE = 2.0


class Base(DeclarativeBase):
    """The declarative base of the demo."""


class Purse(Base):
    """A purse, and how many coins are in it."""

    __tablename__ = "purses"

    id: Mapped[int] = mapped_column(primary_key=True)
    coins: Mapped[int]

    __table_args__ = (CheckConstraint("coins >= 0"), {"schema": SCHEMA})


class Transfer(gd.FSM, name="demo.Transfer", queue="demo", max_crashes=None):
    """Some coins on their way from one purse to another."""

    giver: int
    taker: int
    coins: int

    @gd.step(initial=True)
    def take(self, ctx: gd.Context) -> gd.Outcome:
        """Take what there is: the purse and the machine change in one transaction."""
        purse = ctx.session.get_one(Purse, self.giver, with_for_update=True)
        self.coins = min(self.coins, purse.coins)
        purse.coins -= self.coins
        time.sleep(MOMENT)
        return gd.Next(self.give)

    @gd.step
    def give(self, ctx: gd.Context) -> gd.Outcome:
        """Put the coins into the other purse, and end, in one transaction."""
        purse = ctx.session.get_one(Purse, self.taker, with_for_update=True)
        purse.coins += self.coins
        time.sleep(MOMENT)
        return gd.Done(self.coins)


class Market(gd.FSM, name="demo.Market", queue="demo", max_crashes=None):
    """So many transfers between the purses, all at once."""

    transfers: int

    @gd.step(initial=True)
    def open(self, ctx: gd.Context) -> gd.Outcome:
        """Start the transfers, and wait for all of them."""
        pairs = (random.sample(range(PURSES), 2) for _ in range(self.transfers))
        children = [
            Transfer(giver=giver, taker=taker, coins=random.randint(1, 30))
            for giver, taker in pairs
        ]
        return gd.ScheduleChildren(children, then=self.close)

    @gd.step
    def close(self, ctx: gd.Context) -> gd.Outcome:
        """All of them have ended."""
        return gd.Done({"transfers": self.transfers})


engine = create_engine(
    os.environ.get("GENDURABLE_DEMO_URL", "postgresql+psycopg:///"), pool_size=20
)
durable = gd.bind(
    engine,
    fsms=[Market, Transfer],
    schema=SCHEMA,
    lease_ttl=LEASE,
    heartbeat_interval=LEASE / 4,
)
