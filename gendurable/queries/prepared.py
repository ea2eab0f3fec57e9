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
        """Write *parameters* in the order of their numbers."""
        return [_written(parameters[key]) for key in self.keys]


def _written(value: Any) -> bytes | None:
    """Write a value as text: of a member of an enumeration what it holds, and not its name."""
    if isinstance(value, str):
        return value.encode()
    return None if value is None else str(value).encode()
