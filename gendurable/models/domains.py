"""Columns whose types are domains of the schema: what must hold of a value, whatever the row says.

PostgreSQL plans what a domain demands once a session, but each CHECK of a table anew for every
statement that writes to it. To Python and in statements such a column is the text or the integer
that its domain is made of.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Integer, MetaData, Text
from sqlalchemy.dialects.postgresql import DOMAIN
from sqlalchemy.dialects.postgresql.base import PGTypeCompiler
from sqlalchemy.ext.compiler import compiles

from gendurable.models.base import Base


class TextDomain(Text):
    """A text that its domain checks."""

    def __init__(self, domain: DOMAIN | None = None) -> None:
        super().__init__()
        self.domain = domain


class IntegerDomain(Integer):
    """An integer that its domain checks; what is computed of it has none."""

    def __init__(self, domain: DOMAIN | None = None) -> None:
        super().__init__()
        self.domain = domain


@compiles(TextDomain, "postgresql")
def _text(kind: TextDomain, compiler: PGTypeCompiler, **_: object) -> str:
    """Where a table is made, the column is of the domain."""
    return str(compiler.process(kind.domain or Text()))


@compiles(IntegerDomain, "postgresql")
def _integer(kind: IntegerDomain, compiler: PGTypeCompiler, **_: object) -> str:
    """Likewise."""
    return str(compiler.process(kind.domain or Integer()))


@dataclass(frozen=True, slots=True)
class Domains:
    """The domains of one schema; creating its tables by their MetaData creates these before."""

    #: Keys, names and queues: longer ones would not fit an index row.
    name: TextDomain
    #: What is counted down, and must not be below zero.
    count: IntegerDomain
    #: Of what there is at least one.
    positive: IntegerDomain
    #: What keeps a runnable row from being started.
    blocked: TextDomain
    #: For how long a key is taken.
    scope: TextDomain

    @classmethod
    def of(cls, metadata: MetaData) -> Domains:
        """Define the domains in the schema of *metadata*."""

        def domain(name: str, kind: type[Text | Integer], constraint: str, check: str) -> DOMAIN:
            return DOMAIN(
                name,
                kind,
                constraint_name=constraint,
                check=check,
                schema=metadata.schema,
                metadata=metadata,
            )

        size = "octet_length(VALUE) BETWEEN 1 AND 512"
        reasons = "VALUE IN ('key', 'rate', 'unknown', 'invalid')"
        scopes = "VALUE IN ('live', 'all')"
        return cls(
            name=TextDomain(domain("name", Text, "name_has_1_to_512_bytes", size)),
            count=IntegerDomain(domain("count", Integer, "count_from_zero", "VALUE >= 0")),
            positive=IntegerDomain(domain("positive", Integer, "positive_from_one", "VALUE > 0")),
            blocked=TextDomain(domain("blocked", Text, "blocked_for_a_known_reason", reasons)),
            scope=TextDomain(domain("scope", Text, "scope_is_live_or_all", scopes)),
        )

    def like(self, kind: TextDomain | IntegerDomain) -> TextDomain | IntegerDomain:
        """Return the domain here that is called like the one of another schema."""
        assert kind.domain is not None
        found: TextDomain | IntegerDomain = getattr(self, str(kind.domain.name))
        return found


DOMAINS = Domains.of(Base.metadata)
