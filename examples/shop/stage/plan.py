"""Who buys what and when, and how it must end: drawn from a seed, before anything runs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from examples.shop.models import OrderStatus

#: sku: name, price in cents, units in the warehouse
CATALOGUE = {
    "apron": ("Apron", 1900, 2000),
    "grinder": ("Coffee grinder", 8900, 2000),
    "kettle": ("Kettle", 4900, 2000),
    "lamp": ("Reading lamp", 3900, 2000),
    "mug": ("Mug", 1200, 2000),
    "piano": ("Piano", 249_000, 200),
    "pot": ("Teapot", 3500, 2000),
    "tray": ("Tray", 2200, 2000),
}
SMALL = [sku for sku in CATALOGUE if sku != "piano"]
NAMES = ["Ada", "Bela", "Chloe", "Dov", "Edda", "Femi", "Gus", "Hana", "Ivo", "Jun", "Kaya", "Lev"]

#: How long the shop keeps goods for somebody who does not pay, in seconds; 3,600 in real life.
WINDOW = 6.0

#: So many orders come in before the first worker is there.
BEFORE_OPENING = 30


class Fate(StrEnum):
    """How a customer behaves."""

    PROMPT = "pays within two seconds"
    EARLY = "has paid before the shop can look"
    LATE = "pays when the order is cancelled already"
    NEVER = "never pays"
    SHORT = "pays a cent too little"
    BULKY = "buys a piano too, which the carrier will not take"
    GREEDY = "wants more than there is"
    LOST = "wants what this shop does not sell"


ODDS = {
    Fate.PROMPT: 56,
    Fate.EARLY: 16,
    Fate.LATE: 6,
    Fate.NEVER: 6,
    Fate.SHORT: 3,
    Fate.BULKY: 6,
    Fate.GREEDY: 4,
    Fate.LOST: 3,
}
SLOW = {Fate.LATE, Fate.NEVER}

#: The status in which an order must end; who is not in here must not have an order.
ENDS = {
    Fate.PROMPT: OrderStatus.SHIPPED,
    Fate.EARLY: OrderStatus.SHIPPED,
    Fate.LATE: OrderStatus.CANCELLED,
    Fate.NEVER: OrderStatus.CANCELLED,
    Fate.SHORT: OrderStatus.CANCELLED,
    Fate.BULKY: OrderStatus.SHIPPED,
    Fate.GREEDY: OrderStatus.CANCELLED,
}


@dataclass(frozen=True)
class Journey:
    """One customer's visit; times are seconds, ``at`` since the opening."""

    cart: str
    customer: str
    fate: Fate
    at: float
    lines: dict[str, int]
    clicks: int
    pays_after: float
    heralded: bool  # the provider first tells of a payment that is only intended
    redelivered_after: tuple[float, ...]


def draw(seed: int, orders: int, duration: float) -> list[Journey]:
    """Return the journeys of a whole show, in the order in which they set out."""
    dice = random.Random(seed)
    times = sorted(dice.uniform(1, duration) for _ in range(orders - BEFORE_OPENING))
    opening = [0.01 * number for number in range(BEFORE_OPENING)]
    return [
        _journey(dice, number, at, patient=at < duration - WINDOW)
        for number, at in enumerate([*opening, *times], start=1)
    ]


def expected(journeys: list[Journey]) -> dict[str, str]:
    """Return the status in which each cart's order must end."""
    return {one.cart: ENDS[one.fate].value for one in journeys if one.fate in ENDS}


def _journey(dice: random.Random, number: int, at: float, *, patient: bool) -> Journey:
    fate = dice.choices(list(ODDS), weights=list(ODDS.values()))[0]
    if fate in SLOW and not patient:  # the show would have to wait for them
        fate = Fate.PROMPT
    hasty = fate in (Fate.EARLY, Fate.GREEDY)
    return Journey(
        cart=f"cart-{number:04d}",
        customer=dice.choice(NAMES),
        fate=fate,
        at=at,
        lines=_lines(dice, fate),
        clicks=2 if dice.random() < 0.1 else 1,
        pays_after=0.0 if hasty else dice.uniform(0.05, 2.0),
        heralded=dice.random() < 0.15,
        redelivered_after=tuple(_redeliveries(dice)),
    )


def _lines(dice: random.Random, fate: Fate) -> dict[str, int]:
    lines = {sku: dice.randint(1, 3) for sku in dice.sample(SMALL, dice.choice([1, 1, 2, 2, 3]))}
    if fate is Fate.BULKY:
        lines["piano"] = 1
    if fate is Fate.GREEDY:
        lines["mug"] = 9000
    if fate is Fate.LOST:
        lines["unicorn"] = 1
    return lines


def _redeliveries(dice: random.Random) -> Iterator[float]:
    """The provider was not sure that we heard it: at the same instant, soon, or long after."""
    while dice.random() < 0.35:
        yield dice.choice([0.0, dice.uniform(0, 2), dice.uniform(2, 8)])
