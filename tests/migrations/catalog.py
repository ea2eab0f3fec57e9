"""What a schema looks like to PostgreSQL: columns, constraints, indexes, types, storage."""

from __future__ import annotations

from sqlalchemy import Connection, text

_QUERIES = {
    "columns": """
        SELECT c.relname || '.' || a.attname,
               format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text,
               a.attgenerated::text, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relnamespace = CAST(:schema AS regnamespace)
          AND a.attnum > 0 AND NOT a.attisdropped""",
    "constraints": """
        SELECT coalesce(nullif(contypid, 0)::regtype::text, conrelid::regclass::text)
                   || '.' || conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = CAST(:schema AS regnamespace)
          AND contype <> 'n'""",
    "indexes": """
        SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
        FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE relnamespace = CAST(:schema AS regnamespace)""",
    "types": """
        SELECT typname || '.' || enumlabel,
               rank() OVER (PARTITION BY typname ORDER BY enumsortorder)
        FROM pg_type JOIN pg_enum ON enumtypid = pg_type.oid
        WHERE typnamespace = CAST(:schema AS regnamespace)""",
    "composites": """
        SELECT c.relname || '.' || a.attname, a.attnum, format_type(a.atttypid, a.atttypmod)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'c'
        WHERE c.relnamespace = CAST(:schema AS regnamespace)""",
    "domains": """
        SELECT typname, format_type(typbasetype, typtypmod), typnotnull, typdefault
        FROM pg_type WHERE typnamespace = CAST(:schema AS regnamespace) AND typtype = 'd'""",
    "storage": """
        SELECT relname, (SELECT array_agg(o ORDER BY o) FROM unnest(reloptions) o)
        FROM pg_class WHERE relnamespace = CAST(:schema AS regnamespace) AND relkind = 'r'""",
}


def catalog(conn: Connection, schema: str) -> dict[str, object]:
    """Return all that PostgreSQL knows about *schema*, whose name is written as ``<schema>``."""
    conn.execute(text("SET LOCAL search_path = ''"))
    quoted = conn.dialect.identifier_preparer.quote_schema(schema).replace("%%", "%")
    return {
        f"{kind} {name}": str(tuple(facts)).replace(f"{quoted}.", "<schema>.")
        for kind, query in _QUERIES.items()
        for name, *facts in conn.execute(text(query), {"schema": quoted})
        for name in [name.replace(f"{quoted}.", "")]
    }
