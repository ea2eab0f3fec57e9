"""A claim whose statements stand alone: it starts what nothing limits, and tells of the rest."""

from __future__ import annotations

from contextlib import closing

import pytest

import gendurable as gd
from gendurable.engine.claim import claim
from gendurable.runtime.link import Link


class Plain(gd.Job, name="claiming.plain"):
    def perform(self, ctx: gd.Context) -> None:
        pass


@pytest.fixture
def claimed(durable):
    """Claim as a worker does where it expects no limits; return what that brought."""

    def claimed(demand: int = 10):
        with closing(Link(durable.engine)) as link, link.begin(single=True) as conn:
            return claim(
                conn,
                durable.db,
                "default",
                demand,
                worker="w",
                ttl=30,
                catalogue=durable.catalogue,
                single=True,
            )

    return claimed


class TestSingle:
    def test_without_limits_it_is_a_claim(self, durable, claimed):
        """What it brings is ours."""
        ids = [int(one) for one in durable.insert_all([Plain(), Plain()])]

        found = claimed()

        assert [one.id for one in found.claims] == ids
        assert not found.limited
        assert [durable.wait(id, 0).status for id in ids] == ["executing", "executing"]

    @pytest.mark.parametrize("limit", [{"concurrency_key": "k"}, {"rate_limit": "r"}])
    def test_limited_rows_are_told_of_and_left_alone(self, durable, claimed, limit):
        """They are neither started nor marked nor locked: the next claim judges them."""
        durable.set_limit("r", gd.RateLimit(1, per=60))
        free, bound = durable.insert_all([gd.Spawn(Plain()), gd.Spawn(Plain(), **limit)])

        found = claimed()

        assert [one.id for one in found.claims] == [int(free)]
        assert found.limited
        with durable.engine.begin() as conn:
            row = conn.execute(
                durable.Instance.__table__.select()
                .where(durable.Instance.id == int(bound))
                .with_for_update(nowait=True)
            ).one()
        assert (row.status, row.blocked, row.claim_seq) == ("runnable", None, 0)

    def test_its_letters_come_along(self, durable, claimed):
        """An inbox is read where there is one."""
        id = int(durable.insert(Plain()))
        durable.signal(id, "go")

        (found,) = claimed().claims

        assert [one.name for one in found.signals] == ["go"]
