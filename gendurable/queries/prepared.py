"""A statement as libpq takes it, for what is its own transaction."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: A parameter, by its name, or a percent sign.
_PARAMETER = re.compile(r"%(?:\((\w+)\)s|%)")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement as libpq takes it: parameters by number, values as text."""

    text: str
    numbered: bytes
    keys: tuple[str, ...]
    #: The same on each connection and for each process, and for no other text.
    name: bytes

    @classmethod
    def of(cls, text: str) -> Prepared:
        """Number the parameters of *text*, and name it."""
        keys = tuple(dict.fromkeys(filter(None, _PARAMETER.findall(text))))

        def number(match: re.Match[str]) -> str:
            return f"${keys.index(match[1]) + 1}" if match[1] else "%"

        numbered = _PARAMETER.sub(number, text).encode()
        digest = hashlib.blake2b(numbered, digest_size=16).hexdigest()
        return cls(text, numbered, keys, f"gendurable_{digest}".encode())

    def values(self, parameters: Mapping[str, Any]) -> list[bytes | None]:
        """Write *parameters* as text, in the order of their numbers.

        Of a member of an enumeration that is what it holds, and not its name.
        """
        return [
            value.encode()
            if isinstance(value, str)
            else None
            if value is None
            else str(value).encode()
            for value in map(parameters.__getitem__, self.keys)
        ]
