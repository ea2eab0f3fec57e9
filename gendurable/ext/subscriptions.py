"""The events of one binding, told to some receivers until they have heard enough."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from blinker import NamedSignal


class Subscriptions:
    """Receivers of one binding's events.

    Bindings of one name are one to their receivers: give those that you tell apart a ``name=``.
    """

    def __init__(
        self, binding: str, pairs: Iterable[tuple[NamedSignal, Callable[..., None]]]
    ) -> None:
        self._binding = binding
        self._pairs = list(pairs)
        for event, receiver in self._pairs:
            event.connect(receiver, sender=binding, weak=False)

    def close(self) -> None:
        """Tell them no more."""
        for event, receiver in self._pairs:
            event.disconnect(receiver, sender=self._binding)
        self._pairs = []


def name_of(key: str) -> str:
    """Return the name of the limit that a key belongs to: keys are many, names are few."""
    return key.partition(":")[0]
