"""What the planner knows of the table of instances, and telling it anew."""

from __future__ import annotations

from sqlalchemy import Connection, Text, bindparam, column, func, literal_column, select, table

from gendurable.queries.statement import Database, Statement, qualified

_class = table("pg_class", column("oid"), column("relpages"))
_oid = func.to_regclass(bindparam("name", type_=Text))

#: How many pages the planner thinks that a table has, and how many it has.
#:
#: Index   pg_class_oid_index
#: Locks   none
#: Race    none: it is an estimate
#: Why     it costs a look into the catalogue and one at a file
PAGES = Statement(
    "upkeep.pages",
    select(
        _class.c.relpages,
        func.pg_relation_size(_class.c.oid).op("/")(
            literal_column("current_setting('block_size')::bigint")
        ),
    ).where(_class.c.oid == _oid),
)


def pages(conn: Connection, db: Database) -> tuple[int, int]:
    """Return (how many pages the table had when it was last analysed, how many it has)."""
    ((known, there),) = db.rows(conn, PAGES, {"name": qualified(db.schema, "instances")})
    return known, there


def analyze(conn: Connection, db: Database) -> None:
    """Have the table analysed, unless somebody does so already, or we may not."""
    conn.exec_driver_sql(f"ANALYZE (SKIP_LOCKED) {qualified(db.schema, 'instances')}")
