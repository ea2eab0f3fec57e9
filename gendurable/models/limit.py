"""The tables of limits: how much is allowed, and how many tokens are left."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, Numeric, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from gendurable.models.base import NOW, Base


class Limit(Base):
    """How much of something may happen: what a binding declares, or what an operator overrides.

    A ``key`` allows *amount* executing instances; a ``rate`` lets *amount* tokens flow in *per_us*
    microseconds into a bucket that holds *burst* of them. An override wins while it is there.
    """

    __tablename__ = "limits"

    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    source: Mapped[str] = mapped_column(Text, primary_key=True)
    amount: Mapped[int] = mapped_column(BigInteger)
    per_us: Mapped[int | None] = mapped_column(BigInteger)
    burst: Mapped[int | None] = mapped_column(BigInteger)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)

    __table_args__ = (
        CheckConstraint("kind IN ('key', 'rate')", name="limits_kind"),
        CheckConstraint("source IN ('binding', 'override')", name="limits_source"),
        CheckConstraint("octet_length(name) BETWEEN 1 AND 512", name="limits_name_size"),
        CheckConstraint("amount >= 0", name="limits_amount"),
        CheckConstraint(
            "(kind = 'rate') = (per_us IS NOT NULL) AND (kind = 'rate') = (burst IS NOT NULL)",
            name="limits_rate_has_bucket",
        ),
        CheckConstraint("per_us > 0 AND burst > 0", name="limits_bucket_holds"),
    )


class Bucket(Base):
    """The tokens of one key: *level* of them at the instant *at*, each counted *per_us* times.

    In these units a microsecond's refill is a whole number: the rate's amount. A bucket whose rows
    wait says in *head_at* when there will be enough for the first of them; a debt is a negative
    level. It was reckoned by the rate of *amount* and *burst*; without the amount the head has been
    let in, and *head_at* is only when to look again. A bucket that is not there is full.

    Of the heads of several queues *turn_id* is the one that was let in last: until *turn_until*
    the others wait for it. After that it has something else to wait for, and holds up nobody.
    """

    __tablename__ = "buckets"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    level: Mapped[Decimal] = mapped_column(Numeric)
    per_us: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    head_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    amount: Mapped[int | None] = mapped_column(BigInteger)
    burst: Mapped[int | None] = mapped_column(BigInteger)
    turn_id: Mapped[int | None] = mapped_column(BigInteger)
    turn_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint("octet_length(key) BETWEEN 1 AND 512", name="buckets_key_size"),
        CheckConstraint("per_us > 0", name="buckets_per"),
        # queries.heads.RIPE
        Index("buckets_head", "head_at", postgresql_where=text("head_at IS NOT NULL")),
        # queries.buckets.FORGET
        Index("buckets_at", "at", postgresql_where=text("head_at IS NULL")),
    )
