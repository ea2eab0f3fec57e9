"""Compare the code with the live rows of a database, and bring old rows up to the code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from gendurable import graph
from gendurable.engine.findings import Checked, Finding, Upgraded, invalid, missing, wrong_target
from gendurable.queries import survey as query
from gendurable.state import dump_state, load_state

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gendurable.fsm import FSM
    from gendurable.machine import Machine
    from gendurable.queries.statement import Database
    from gendurable.registry import Catalogue

#: How many rows are read, or written, in one transaction.
PAGE = 200

#: Opens a transaction.
Begin: TypeAlias = Callable[[], "AbstractContextManager[Connection]"]
#: Is told how many rows were looked at, and how many there are.
Progress: TypeAlias = Callable[[int, int], object]


def check(
    begin: Begin, db: Database, catalogue: Catalogue, progress: Progress | None = None
) -> Checked:
    """Compare the machines of *catalogue* with all live rows, a page at a time."""
    with begin() as conn:
        kinds = query.kinds(conn, db)
    total = sum(kind.count for kind in kinds)
    tally = _Tally()
    tally.findings += _targets(catalogue)
    for fsm, version, step, count, example in kinds:
        if not catalogue.knows(fsm, version, step):
            tally.findings.append(missing(catalogue, fsm, version, step, count, example))
    seen = after = 0
    while True:
        with begin() as conn:
            rows = query.states(conn, db, after, PAGE)
        for row in rows:
            machine = catalogue.find(row.fsm, row.fsm_version)
            if machine is not None and catalogue.knows(row.fsm, row.fsm_version, row.step):
                tally.attempt(machine, row)
        seen += len(rows)
        if progress is not None:
            progress(min(seen, total), total)
        if len(rows) < PAGE:
            return Checked(seen, tally.all())
        after = rows[-1].id


def upgrade(
    begin: Begin,
    db: Database,
    catalogue: Catalogue,
    *,
    max_size: int,
    progress: Progress | None = None,
) -> Upgraded:
    """Adopt the rows of old versions, and put back what was set aside and can run now.

    A batch a transaction, in which its rows are locked, without waiting for any. What a worker
    executes is left to it: such a row is adopted when it is next claimed.
    """
    old = {(fsm, version) for fsm, version, step in catalogue.known() if step is None}
    wanted = [json.dumps({"fsm": fsm, "fsm_version": version}) for fsm, version in sorted(old)]
    total = _count_old(begin, db, catalogue)
    tally = _Tally()
    upgraded = cleared = after = 0
    queues: set[str] = set()
    while True:
        with begin() as conn:
            rows = query.adoptable(conn, db, wanted, after, PAGE)
            fit = [
                (row, new) for row in rows if (new := _brought_up(row, catalogue, tally, max_size))
            ]
            if fit:
                queues |= query.adopt(conn, db, [new for _, new in fit])
        upgraded += sum((row.fsm, row.fsm_version) in old for row, _ in fit)
        cleared += sum(row.blocked is not None for row, _ in fit)
        if progress is not None:
            progress(min(upgraded, total), total)
        if len(rows) < PAGE:
            break
        after = rows[-1].id
    failed = sum(one.count for one in tally.all() if (one.fsm, one.version) in old)
    left = max(0, _count_old(begin, db, catalogue) - failed)
    return Upgraded(upgraded, cleared, left, frozenset(queues), tally.all())


@dataclass(slots=True)
class _Tally:
    """States that did not load, counted by what is wrong with them."""

    findings: list[Finding] = field(default_factory=list)
    _counts: dict[tuple[str, int, str, str, str], list[int]] = field(default_factory=dict)

    def attempt(self, machine: Machine, row: Any) -> None:
        """Load the state of a row, and count it if that fails."""
        try:
            _load(machine, row)
        except Exception as error:
            self.note(machine, row, error)

    def note(self, machine: Machine, row: Any, error: Exception) -> None:
        """Count a row that failed."""
        key = row.fsm, row.fsm_version, row.step, *invalid(machine, row.fsm_version, error)
        self._counts.setdefault(key, [0, row.id])[0] += 1

    def all(self) -> tuple[Finding, ...]:
        """Return what was found, by machine and step."""
        counted = (
            Finding("invalid", fsm, version, step, reason, count, example, advice)
            for (fsm, version, step, reason, advice), (count, example) in sorted(
                self._counts.items()
            )
        )
        return (*self.findings, *counted)


def _load(machine: Machine, row: Any) -> tuple[FSM, str]:
    """Return the object that a row holds and its step, as this build has them."""
    state, step = row.state, row.step
    if machine.version != row.fsm_version:
        upgraded, step = machine.upgrade(row.fsm_version, json.loads(state), step)
        state = json.dumps(upgraded)
    obj: FSM = load_state(machine.cls, state)
    return obj, step


def _brought_up(row: Any, catalogue: Catalogue, tally: _Tally, max_size: int) -> str | None:
    """Return the row as it is to be written, None if this build cannot run it."""
    machine = catalogue.find(row.fsm, row.fsm_version)
    if machine is None or not catalogue.knows(row.fsm, row.fsm_version, row.step):
        return None
    try:
        obj, step = _load(machine, row)
        state = row.state
        if machine.version != row.fsm_version:
            state = dump_state(obj, max_size=max_size)
    except Exception as error:
        tally.note(machine, row, error)
        return None
    new = {"id": row.id, "fsm_version": machine.version, "step": step}
    return f'{json.dumps(new)[:-1]}, "state": {state}}}'


def _count_old(begin: Begin, db: Database, catalogue: Catalogue) -> int:
    """Return how many live rows are of a version that a newer class adopts."""
    with begin() as conn:
        kinds = query.kinds(conn, db)
    machines = ((kind, catalogue.find(kind.fsm, kind.fsm_version)) for kind in kinds)
    return sum(k.count for k, machine in machines if machine and machine.version != k.fsm_version)


def _targets(catalogue: Catalogue) -> Iterator[Finding]:
    """Yield the steps that the code goes to and that do not exist."""
    for (name, version), machine in sorted(dict(catalogue.machines()).items()):
        for problem in graph.read(machine.cls).problems:
            if problem.wrong:
                yield wrong_target(name, version, problem)
