"""The carrier's API, as the shop sees it."""

from __future__ import annotations

import json
import os
from urllib.error import HTTPError
from urllib.request import Request, urlopen

CARRIER_URL = os.environ.get("CARRIER_URL", "http://127.0.0.1:8081")

#: How long we let the carrier think; it often thinks longer, and may have made the label by then.
PATIENCE = float(os.environ.get("CARRIER_PATIENCE", "0.5"))


class Refused(Exception):
    """The carrier will not take this parcel, however often it is asked."""


def book_label(key: str, sku: str, quantity: int) -> str:
    """Have the carrier make a label and return its tracking number.

    The carrier makes one label for a key, however often it is asked with that key, so that an
    answer that got lost costs another request and not another parcel.

    Raises:
        Refused: the carrier does not take such goods.
        OSError: no usable answer came (``HTTPError`` and timeouts are ``OSError`` too); ask again.
    """
    request = Request(
        f"{CARRIER_URL}/labels",
        data=json.dumps({"sku": sku, "quantity": quantity}).encode(),
        headers={"Content-Type": "application/json", "Idempotency-Key": key},
    )
    try:
        with urlopen(request, timeout=PATIENCE) as answer:
            return str(json.load(answer)["tracking"])
    except HTTPError as error:
        if error.code == 422:
            raise Refused(f"the carrier does not take {quantity} x {sku}") from error
        raise
