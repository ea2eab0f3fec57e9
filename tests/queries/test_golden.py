"""The text of every statement, as committed: a change of one shows in the diff."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from sqlalchemy import Enum, Table
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.visitors import iterate

from gendurable.models.base import Base
from tests.queries.statements import all_statements

GOLDEN = Path(__file__).parent / "golden"
#: Write the files anew instead of comparing them: ``make golden``.
UPDATE = bool(os.environ.get("GENDURABLE_UPDATE_GOLDEN"))

STATEMENTS = all_statements()
every_statement = pytest.mark.parametrize("name", sorted(STATEMENTS))

#: Clocks that stand still in a transaction, or run on within a statement.
WRONG_CLOCKS = re.compile(
    r"\bnow\s*\(|clock_timestamp|transaction_timestamp|current_timestamp|localtimestamp"
    r"|current_date|current_time\b|timeofday|'now'",
    re.IGNORECASE,
)


def text_of(name: str, schema: str = "gendurable") -> str:
    """Return the statement as its file holds it: without the blanks that end some lines."""
    return re.sub(r" +$", "", STATEMENTS[name].sql(schema), flags=re.MULTILINE) + "\n"


class TestGolden:
    @every_statement
    def test_the_text_is_the_committed_one(self, name):
        """A statement's text is what its golden file says; `make golden` writes it anew."""
        file = GOLDEN / f"{name}.sql"
        if UPDATE:
            file.write_text(text_of(name))
        assert file.exists(), f"{file.name} is missing: make golden"
        assert text_of(name) == file.read_text(), f"{name} has changed: make golden, read the diff"

    def test_no_file_is_left_over(self):
        """A statement that is gone takes its file along."""
        for file in GOLDEN.glob("*.sql"):
            if UPDATE and file.stem not in STATEMENTS:
                file.unlink()
        assert {file.stem for file in GOLDEN.glob("*.sql")} == set(STATEMENTS)


class TestText:
    @every_statement
    def test_the_clock_is_that_of_the_statement(self, name):
        """No statement reads now(), which stands still in a transaction, or clock_timestamp()."""
        assert not WRONG_CLOCKS.search(text_of(name))

    @every_statement
    def test_a_status_is_part_of_the_text(self, name):
        """A status is never a parameter, which would hide the partial index from a plan."""
        binds = [e for e in iterate(STATEMENTS[name].element) if isinstance(e, BindParameter)]
        assert [b.key for b in binds if isinstance(b.type, Enum)] == []
        if name == "outcomes.write_one":
            return  # it sets a status, and compares with none
        assert not re.search(r"%\(\w+\)s(::\w+)?( AS \w+\.status|::\w*\.?status)", text_of(name))

    @every_statement
    def test_every_parameter_is_named_by_its_function(self, name):
        """No value slipped into a statement as an anonymous parameter that nobody sends."""
        assert not re.search(r"%\((param_\d+|\w+_\d+)\)s", text_of(name))

    @every_statement
    def test_another_schema_is_another_schema_throughout(self, name):
        """In a binding with schema= no name of a table, sequence or type stays in the default."""
        assert "gendurable." not in text_of(name, "elsewhere")


class TestDefaults:
    @pytest.mark.parametrize("table", Base.metadata.sorted_tables, ids=str)
    def test_the_models_use_the_clock_of_the_statement(self, table: Table):
        """No default of a column reads a clock that stands still in a transaction."""
        defaults = [c.server_default for c in table.columns if c.server_default is not None]
        texts = [str(getattr(default, "arg", "")) for default in defaults]
        assert not [text for text in texts if WRONG_CLOCKS.search(text)]

    def test_so_does_the_database(self, conn):
        """Nor does one that the migrations have written."""
        defaults = conn.exec_driver_sql(
            "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef JOIN pg_class c ON c.oid = adrelid"
            " WHERE c.relnamespace = 'gendurable'::regnamespace"
        ).scalars()
        found = list(defaults)
        assert any("statement_timestamp()" in text for text in found)
        assert not [text for text in found if WRONG_CLOCKS.search(text)]
