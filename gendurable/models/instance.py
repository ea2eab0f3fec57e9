"""The table of instances: one row is one state machine."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Computed,
    DateTime,
    Identity,
    Index,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from gendurable.lifecycle import Status
from gendurable.models.base import NOW, STATUS, Base
from gendurable.models.coupling import couple
from gendurable.models.domains import DOMAINS

LIVE_SQL = "status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children')"
RUNNABLE_SQL = "status = 'runnable' AND blocked IS NULL AND paused_at IS NULL"


class Instance(Base):
    """One state machine and all that is needed to resume it.

    A worker owns the row while ``locked_by`` is its name and ``claim_seq`` the number of its
    claim; a CHECK ties both to ``executing``. Every outcome is guarded by exactly that pair.

    What must hold of one value is a domain, and so is what couples several (``coupling``). Statuses
    are in order: those before ``done`` are live, those from ``failed`` on have not ended well.
    """

    __tablename__ = "instances"
    __shown__ = ("id", "fsm", "step", "status")

    # What runs
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    fsm: Mapped[str] = mapped_column(DOMAINS.name)
    fsm_version: Mapped[int] = mapped_column(server_default="1")
    step: Mapped[str] = mapped_column(DOMAINS.name)
    status: Mapped[Status] = mapped_column(STATUS, server_default="runnable")
    state: Mapped[Any] = mapped_column(JSONB)
    result: Mapped[Any | None] = mapped_column(JSONB)
    last_error: Mapped[str | None] = mapped_column(Text)

    # When it runs
    queue: Mapped[str] = mapped_column(DOMAINS.name, server_default="default")
    priority: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    eligible_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
    paused_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    # How often it ran
    attempt: Mapped[int] = mapped_column(server_default="0")
    visit: Mapped[int] = mapped_column(BigInteger, server_default="0")
    crashes: Mapped[int] = mapped_column(server_default="0")

    # What it waits for
    awaits: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    deadline: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    timed_out: Mapped[bool] = mapped_column(server_default=text("false"))

    # Who it is
    correlation_key: Mapped[str | None] = mapped_column(DOMAINS.name)
    correlation_scope: Mapped[str | None] = mapped_column(DOMAINS.scope)
    correlation_guard: Mapped[str | None] = mapped_column(
        Text,
        Computed(
            "CASE WHEN correlation_scope = 'all' OR correlation_scope IS NOT NULL"
            " AND status < 'done' THEN correlation_key END",
            persisted=True,
        ),
    )

    # What limits it
    concurrency_key: Mapped[str | None] = mapped_column(DOMAINS.name)
    slot: Mapped[int | None]
    rate_limit: Mapped[str | None] = mapped_column(DOMAINS.name)
    weight: Mapped[int] = mapped_column(DOMAINS.positive, server_default="1")
    blocked: Mapped[str | None] = mapped_column(DOMAINS.blocked)

    # The claim
    locked_by: Mapped[str | None] = mapped_column(Text)
    lease_expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    claim_seq: Mapped[int] = mapped_column(BigInteger, server_default="0")

    # The family
    parent_id: Mapped[int | None] = mapped_column(BigInteger)
    parent_round: Mapped[int | None]
    round: Mapped[int] = mapped_column(server_default="0")
    quorum: Mapped[int | None] = mapped_column(DOMAINS.positive)
    children_pending: Mapped[int] = mapped_column(DOMAINS.count, server_default="0")
    children_done: Mapped[int] = mapped_column(DOMAINS.count, server_default="0")

    # The rest
    ended_from: Mapped[Status | None] = mapped_column(STATUS)
    headers: Mapped[Any | None] = mapped_column(JSONB)
    inserted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)

    __table_args__ = (
        # queries.claim.CLAIM: the order of work; ``id`` last, or every claim sorts
        Index(
            "instances_claim",
            "queue",
            "priority",
            "eligible_at",
            "id",
            postgresql_where=text(RUNNABLE_SQL),
        ),
        # queries.deaths.EXPIRED: the reaper; also all that executes
        Index("instances_lease", "lease_expires_at", postgresql_where=text("status = 'executing'")),
        # The fence of concurrency limits, and their count of executing rows
        Index(
            "instances_slot",
            "concurrency_key",
            "slot",
            unique=True,
            postgresql_where=text("status = 'executing' AND concurrency_key IS NOT NULL"),
        ),
        # Rows waiting for a key, in the order in which they will be let in
        Index(
            "instances_wait",
            "concurrency_key",
            "queue",
            "priority",
            "eligible_at",
            "id",
            postgresql_where=text("status = 'runnable' AND blocked = 'key' AND paused_at IS NULL"),
        ),
        # Rows waiting for tokens, likewise
        Index(
            "instances_rate",
            "rate_limit",
            "queue",
            "priority",
            "eligible_at",
            "id",
            postgresql_where=text("status = 'runnable' AND blocked = 'rate' AND paused_at IS NULL"),
        ),
        # queries.leases.TAKE_BACK: rows set aside because nobody here knew or could load them
        Index(
            "instances_aside",
            "blocked",
            "fsm",
            "fsm_version",
            "step",
            postgresql_where=text("blocked IN ('unknown', 'invalid')"),
        ),
        # Identity: partial, since a full one would make every outcome a key update, which
        # blocks the foreign key check of each signal
        Index(
            "instances_correlation",
            "correlation_guard",
            unique=True,
            postgresql_where=text("correlation_guard IS NOT NULL"),
        ),
        # queries.children: the family of a parent, in order of birth
        Index(
            "instances_parent", "parent_id", "id", postgresql_where=text("parent_id IS NOT NULL")
        ),
        # queries.timers.FIRE
        Index(
            "instances_deadline",
            "deadline",
            postgresql_where=text(
                "deadline IS NOT NULL AND status IN ('awaiting_signal', 'awaiting_children')"
            ),
        ),
        # queries.browse, queries.overview: who waits, queue by queue; see queries.parts.IS_PARKED
        Index(
            "instances_parked",
            "status",
            "queue",
            "id",
            postgresql_where=text(
                "CASE WHEN status IN ('awaiting_signal', 'awaiting_children')"
                " THEN true ELSE false END"
            ),
        ),
        # queries.browse, queries.overview: what hands have paused, queue by queue
        Index(
            "instances_paused",
            "queue",
            "id",
            postgresql_where=text(f"paused_at IS NOT NULL AND {LIVE_SQL}"),
        ),
        # queries.retention.SWEEP
        Index(
            "instances_ended",
            "status",
            "updated_at",
            "id",
            postgresql_where=text("status IN ('done', 'failed', 'cancelled')"),
        ),
    )


couple(cast("Table", Instance.__table__))
