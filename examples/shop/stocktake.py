"""What runs short: a job that the clock starts every morning, and whose fields have changed twice.

Version 1 is long gone; what version 2 left in the database is adopted.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

import gendurable as gd
from examples.shop.models import Product


class Stocktake(gd.Job, version=3, queue="checkout"):
    """Which products have fewer than ``below`` units that are promised to nobody."""

    below: int = 3

    def perform(self, ctx: gd.Context) -> list[str]:
        """Look along the shelf."""
        free = Product.on_hand - Product.reserved
        short = select(Product.sku).where(free < self.below).order_by(Product.sku)
        return list(ctx.session.scalars(short))

    @gd.upgrade(from_version=2)
    def from_2(state: dict[str, Any], step: str) -> tuple[dict[str, Any], str]:  # noqa: N805
        """In version 2 the field was called ``threshold``."""
        return {"below": state["threshold"]}, step
