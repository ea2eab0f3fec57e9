"""Revisions gendurable_0009 and _0010 say in domains what the checks before them said."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, CursorResult, text

from gendurable import migrations
from tests.migrations.steps import MOVES, operations

#: Of each column the values that some check tells apart.
VALUES = {
    "status": (
        *("'runnable'", "'executing'", "'awaiting_signal'", "'awaiting_children'"),
        *("'done'", "'failed'", "'cancelled'"),
    ),
    "locked_by": ("NULL", "'w'"),
    "lease_expires_at": ("NULL", "'2026-01-01'"),
    "concurrency_key": ("NULL", "'k'"),
    "slot": ("NULL", "-1", "0"),
    "rate_limit": ("NULL", "'r'"),
    "blocked": ("NULL", "'key'", "'rate'", "'unknown'", "'invalid'", "'tired'"),
    "ended_from": ("NULL", "'runnable'"),
    "deadline": ("NULL", "'2026-01-01'"),
    "awaits": ("NULL", "'{}'", "'{a}'", "'{NULL}'"),
    "children_pending": ("-1", "0", "1"),
    "correlation_key": ("NULL", "'k'"),
    "correlation_scope": ("NULL", "'live'", "'all'", "'ever'"),
}
OTHERS = {
    "fsm": ("''", "'F'"),
    "step": ("'s'", "repeat('s', 513)"),
    "queue": ("''", "'q'", "repeat('q', 513)"),
    **dict.fromkeys(
        ("correlation_key", "concurrency_key", "rate_limit"),
        ("NULL", "''", "repeat('k', 512)", "repeat('ä', 257)"),
    ),
    "weight": ("0", "1"),
    "quorum": ("NULL", "0", "1"),
    "children_done": ("-1", "0"),
    "parent_id": ("NULL", "6", "7"),
    "parent_round": ("NULL", "1"),
}
#: What a revision refuses that was accepted before: nothing, but one rule that let NULL pass.
NEWLY_REFUSED = {"gendurable_0010": "status = 'awaiting_signal' AND awaits IS NULL"}
DEFAULTS = {"fsm": "'F'", "step": "'s'", "state": "'{}'", "id": "7"}


class Rows:
    """All combinations of some values, judged by what the schema demands as it is."""

    def __init__(self, conn: Connection, values: dict[str, tuple[str, ...]]) -> None:
        self.conn = conn
        self.columns = list(values)
        tables = (
            f"(VALUES ({'), ('.join(options)})) {name}({name})" for name, options in values.items()
        )
        self._run(
            f"CREATE TEMP TABLE product AS SELECT row_number() OVER () AS n,"
            f" {', '.join(values)} FROM {' CROSS JOIN '.join(tables)}"
        )

    def judge(self, name: str) -> None:
        """Write into the table *name* which rows are accepted, and which keys these take."""
        self._run(
            f"CREATE TEMP TABLE {name} AS SELECT n, ok, CASE WHEN ok THEN {self._guard()} END"
            f" AS guard FROM (SELECT *, ({self._checks()}) IS NOT FALSE AS ok"
            f" FROM (SELECT n, {self._typed()} FROM product) r) s"
        )

    def count(self, where: str) -> int:
        """Count the rows of which *where* holds, by two judgements."""
        found = self._run(
            f"SELECT count(*) FROM product JOIN before USING (n) JOIN after USING (n) WHERE {where}"
        )
        return int(found.scalar_one())

    def insert(self, one_in: int) -> dict[int, tuple[bool, str | None]]:
        """Ask the table itself about some of the rows: whether it takes them, and their keys."""
        names = ", ".join(dict.fromkeys((*DEFAULTS, *self.columns)))
        self._run(
            f"""
            CREATE TEMP TABLE told (n bigint, ok boolean, guard text);
            DO $$
            DECLARE one product; taken text;
            BEGIN
                FOR one IN SELECT * FROM product WHERE n % {one_in} = 0 LOOP
                    taken := NULL;
                    BEGIN
                        INSERT INTO gendurable.instances ({names}) OVERRIDING SYSTEM VALUE
                        SELECT {self._typed(names)} FROM (SELECT one.*) product
                        RETURNING correlation_guard INTO taken;
                        RAISE SQLSTATE 'TAKEN';
                    EXCEPTION
                        WHEN check_violation THEN INSERT INTO told VALUES (one.n, false, NULL);
                        WHEN SQLSTATE 'TAKEN' THEN INSERT INTO told VALUES (one.n, true, taken);
                    END;
                END LOOP;
            END $$"""
        )
        return {n: (ok, guard) for n, ok, guard in self._run("SELECT * FROM told")}

    def _typed(self, names: str | None = None) -> str:
        """Each column as it is before a domain has seen it."""
        found = self._run(
            "SELECT attname, format_type(CASE typtype WHEN 'd' THEN typbasetype ELSE t.oid END,"
            " NULL), coalesce(pg_get_expr(adbin, adrelid), 'NULL') FROM pg_attribute"
            " JOIN pg_type t ON t.oid = atttypid"
            " LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum"
            " WHERE attrelid = 'gendurable.instances'::regclass AND attnum > 0"
            " AND NOT attisdropped AND attgenerated = ''"
        )
        typed = {
            name: f"CAST({name if name in self.columns else DEFAULTS.get(name, default)} AS {kind})"
            for name, kind, default in found
        }
        if names is not None:
            return ", ".join(typed[name] for name in names.split(", "))
        return ", ".join(f"{value} AS {name}" for name, value in typed.items())

    def _checks(self) -> str:
        """What the table demands of a row, and the domains of its columns and of the row."""
        found = self._run(
            "SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint"
            " WHERE conrelid = 'gendurable.instances'::regclass AND contype = 'c'"
            " AND conname <> 'instances_coherent'"
            " UNION ALL SELECT replace(substr(pg_get_constraintdef(oid), 6), '(VALUE).', '')"
            " FROM pg_constraint WHERE contypid = to_regtype('gendurable.coherent')"
            " UNION ALL SELECT replace(substr(pg_get_constraintdef(c.oid), 6), 'VALUE', attname)"
            " FROM pg_attribute JOIN pg_constraint c ON contypid = atttypid"
            " WHERE attrelid = 'gendurable.instances'::regclass AND contype = 'c'"
            " AND NOT attisdropped"
        )
        return " AND ".join(f"({check})" for check in found.scalars())

    def _guard(self) -> str:
        found = self._run(
            "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef JOIN pg_attribute"
            " ON attrelid = adrelid AND attnum = adnum"
            " WHERE attrelid = 'gendurable.instances'::regclass AND attgenerated = 's'"
        )
        return str(found.scalar_one())

    def _run(self, statement: str) -> CursorResult[Any]:
        return self.conn.exec_driver_sql(statement.replace("%", "%%"))


class TestWhatIsAccepted:
    @pytest.mark.parametrize(("before", "after"), MOVES)
    @pytest.mark.parametrize("values", [VALUES, OTHERS], ids=["statuses", "names"])
    def test_is_what_was_accepted_before(self, conn, values, before, after):
        """Of all combinations the same are refused, and the others take the same keys."""
        migrations.upgrade(operations(conn), to=before)
        rows = Rows(conn, values)
        rows.judge("before")
        migrations.upgrade(operations(conn), to=after)
        rows.judge("after")

        assert rows.count("before.ok")
        assert rows.count("NOT before.ok")
        refused = NEWLY_REFUSED.get(after, "false") if values is VALUES else "false"
        assert rows.count("before.ok < after.ok") == 0
        assert rows.count(f"after.ok AND {refused}") == 0
        assert rows.count(f"before.ok <> after.ok AND NOT ({refused})") == 0
        same = "before.guard IS NOT DISTINCT FROM after.guard"
        assert rows.count(f"NOT ({same}) AND NOT ({refused})") == 0

    @pytest.mark.parametrize("revision", sorted({name for move in MOVES for name in move}))
    @pytest.mark.parametrize(("values", "one_in"), [(VALUES, 199), (OTHERS, 7)])
    def test_is_what_the_table_takes(self, conn, values, one_in, revision):
        """The judgement is the table's own: it takes and refuses those very rows."""
        migrations.upgrade(operations(conn), to=revision)
        rows = Rows(conn, values)
        rows.judge("judged")

        told = rows.insert(one_in)

        found = conn.execute(text(f"SELECT n, ok, guard FROM judged WHERE n % {one_in} = 0"))
        assert told == {n: (ok, guard) for n, ok, guard in found}
        assert {ok for ok, _ in told.values()} == {True, False}
