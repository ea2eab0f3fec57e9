"""The history: one entry for each outcome that leaves one, and for each hand edit."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import BigInteger, Connection, Double, Integer, Text, select
from sqlalchemy.dialects.postgresql import JSONB, insert

from gendurable.queries.parts import transitions
from gendurable.queries.statement import Database, Statement, document, records

_entry = document(
    "entry",
    "entries",
    instance_id=BigInteger,
    kind=Text,
    step=Text,
    attempt=Integer,
    visit=BigInteger,
    duration=Double,
    worker=Text,
    error=Text,
    traceback=Text,
    state=JSONB,
    made_by=Text,
    reason=Text,
)

#: Write entries of the history.
#:
#: Index   transitions_pkey
#: Locks   the foreign key's share of the instance, which is ours already
#: Race    none
#: Why     one statement a batch
RECORD = Statement(
    "history.record",
    insert(transitions).from_select([c.name for c in _entry.c], select(*_entry.c)),
)


def record(conn: Connection, db: Database, entries: Iterable[str]) -> None:
    """Append encoded entries to the history."""
    db.run(conn, RECORD, {"entries": records(entries)})
