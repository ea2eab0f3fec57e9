"""Which machines a binding can run: what was defined, or what it was given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gendurable.errors import ConfigError
from gendurable.machine import Machine, changes, defined
from gendurable.rules import Complaints


class Catalogue:
    """Finds the machine for the rows of a (name, version): its own, or one that can adopt them.

    It is a live view: a class that is defined later is seen at the next look.
    """

    def __init__(self, fsms: Iterable[type[Any]] | None = None) -> None:
        self._given = None if fsms is None else _table(fsms)
        self._seen = -1
        self._found: dict[tuple[str, int], Machine | None] = {}

    def machines(self) -> Mapping[tuple[str, int], Machine]:
        """Return the machines by (name, version)."""
        return defined() if self._given is None else self._given

    def find(self, fsm: str, version: int) -> Machine | None:
        """Return the machine that runs rows of this name and version, or None.

        It is the class of that version, or else the newest that can upgrade from it.
        """
        if self._seen != changes():
            self._seen = changes()
            self._found = {}
        key = fsm, version
        if key not in self._found:
            self._found[key] = self._search(fsm, version)
        return self._found[key]

    def _search(self, fsm: str, version: int) -> Machine | None:
        machines = self.machines()
        own = machines.get((fsm, version))
        if own is not None:
            return own
        heirs = [m for m in list(machines.values()) if m.name == fsm and m.upgradable(version)]
        return max(heirs, key=lambda machine: machine.version, default=None)

    def knows(self, fsm: str, version: int, step: str) -> bool:
        """Return whether a row that stands at this step can be run.

        Of an old version every step counts as known: what becomes of it is up to the upgrade.
        """
        machine = self.find(fsm, version)
        return machine is not None and (machine.version != version or step in machine.steps)

    def has_async_steps(self) -> bool:
        """Return whether a step of any machine runs on an event loop."""
        machines = list(self.machines().values())
        return any(step.is_async for one in machines for step in one.steps.values())

    def known(self) -> list[tuple[str, int, str | None]]:
        """Return every (name, version, step) that can be run; None stands for any step.

        Aliases are listed as steps; None is the step of an old version that can be adopted.
        """
        found: list[tuple[str, int, str | None]] = []
        for (name, version), machine in sorted(dict(self.machines()).items(), key=_by_key):
            found += ((name, version, step) for step in machine.steps)
            found += (
                (name, old, None) for old in machine.upgrades if self.find(name, old) is machine
            )
        return found


def _by_key(item: tuple[tuple[str, int], Machine]) -> tuple[str, int]:
    return item[0]


def _table(fsms: Iterable[type[Any]]) -> dict[tuple[str, int], Machine]:
    """Return the machines of the classes that a binding was given.

    Raises:
        ConfigError: one is no machine, or two have one name and version.
    """
    if isinstance(fsms, type | str) or not isinstance(fsms, Iterable):
        raise ConfigError(f"fsms={fsms!r} must be a list of classes, such as fsms=[Order]")
    complaints = Complaints("")
    table: dict[tuple[str, int], Machine] = {}
    for cls in fsms:
        machine = getattr(cls, "__machine__", None)
        if not isinstance(machine, Machine) or machine.cls is not cls:
            complaints.add(f"fsms: {cls!r} is no FSM or Job class with steps")
        elif table.setdefault((machine.name, machine.version), machine) is not machine:
            complaints.add(f"fsms: {machine.name!r} version {machine.version} is given twice")
    complaints.end()
    return table
