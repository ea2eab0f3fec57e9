"""The transition table is the law: no other module moves a row, and none where it may not."""

from __future__ import annotations

import importlib
import re

import pytest

from gendurable.lifecycle import EDGES, Status
from tests.queries.statements import all_statements

STATEMENTS = all_statements()
UPDATE = re.compile(r"UPDATE gendurable\.instances SET (.*?) (?:FROM|WHERE|RETURNING) ", re.DOTALL)
STATUS = re.compile(r"\bstatus=(.*?)(?:, \w+=|$)", re.DOTALL)


def moves() -> dict[str, list[str]]:
    """Map each statement that sets a status to what it sets it to."""
    found: dict[str, list[str]] = {}
    for name, statement in STATEMENTS.items():
        for columns in UPDATE.findall(statement.sql()):
            if match := STATUS.search(columns):
                found.setdefault(name, []).append(match[1])
    return found


@pytest.mark.parametrize("name", sorted(moves()))
def test_a_move_is_an_edge_of_its_module(name):
    """A statement that sets a status stands in a module that may, and sets one that it may."""
    mine = [edge for edge in EDGES if edge.module == name.partition(".")[0]]
    allowed = {str(status) for edge in mine for status in edge.targets}

    assert mine, f"{name} moves rows, and no edge names its module"
    for expression in moves()[name]:
        assert set(re.findall(r"'(\w+)'", _results(expression))) <= allowed


def _results(expression: str) -> str:
    """Return what an expression may yield: of a CASE, what stands behind THEN and ELSE."""
    if "CASE" not in expression:
        return expression
    return " ".join(re.findall(r"(?:THEN|ELSE) (\S+)", expression))


def test_each_edge_has_its_module():
    """No edge names a module that does not exist, and no module of the law moves nothing."""
    movers = {name.partition(".")[0] for name in moves()} | {"enqueue", "retention"}

    for edge in EDGES:
        importlib.import_module(f"gendurable.queries.{edge.module}")
    assert {edge.module for edge in EDGES} == movers


def test_every_status_can_be_reached_and_left():
    """Each status is the target of an edge and the source of one."""
    assert {s for edge in EDGES for s in edge.targets} == set(Status)
    assert {s for edge in EDGES for s in edge.sources} == set(Status)
