"""What the runtime needs of a binding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gendurable.engine import executor, schedules

if TYPE_CHECKING:
    from gendurable.engine.schedules import Declaration
    from gendurable.registry import Catalogue
    from gendurable.runtime.notifier import Notifier


class Binding(executor.Binding, Protocol):
    """A binding, as far as its workers know it."""

    catalogue: Catalogue
    notifier: Notifier
    declarations: dict[str, Declaration]


def queues_used(binding: Binding) -> set[str]:
    """Return the queues that the machines and schedules of this process use by themselves."""
    machines = dict(binding.catalogue.machines()).values()
    declared = dict(binding.declarations).values()
    return {one.queue for one in machines} | {schedules.queue_of(one) for one in declared}
