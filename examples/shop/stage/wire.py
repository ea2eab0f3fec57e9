"""JSON over HTTP, as customers, the provider and the auditor speak it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen


def call(
    url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    """Get *url*, or post *body* to it; return the status and what the answer says.

    Raises:
        OSError: there was no answer.
    """
    kind = {"Content-Type": "application/json"}
    request = Request(url, data=body, headers={**kind, **(headers or {})})
    try:
        with urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, error.read().decode(errors="replace")


def post(url: str, body: Any) -> tuple[int, Any]:
    """Post a JSON value."""
    return call(url, json.dumps(body).encode())
