"""The mapped classes in an application's own queries, foreign keys and relationships."""

from __future__ import annotations

import pytest
from sqlalchemy import ForeignKey, create_engine, func, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
    scoped_session,
    sessionmaker,
)

import gendurable as gd
from gendurable.engine import retention
from gendurable.testing import drain, elapse


class Shop(DeclarativeBase):
    """The application's tables, on a declarative base of its own."""


class Basket(Shop):
    """A row of the application's that knows its checkout."""

    __tablename__ = "baskets"

    id: Mapped[int] = mapped_column(primary_key=True)
    checkout_id: Mapped[int | None] = mapped_column(
        ForeignKey(gd.Instance.id, ondelete="SET NULL"), index=True
    )
    checkout: Mapped[gd.Instance | None] = relationship(gd.Instance)


class Checkout(gd.FSM, name="mapped.Checkout", history="all"):
    """Waits for a payment."""

    basket: int

    @gd.step(initial=True)
    def start(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Await("paid", then=self.ship)

    @gd.step
    def ship(self, ctx: gd.Context) -> gd.Outcome:
        basket = ctx.session.get_one(Basket, self.basket)
        assert basket.checkout is not None
        return gd.Done(basket.checkout.id == ctx.id)


@pytest.fixture(autouse=True)
def baskets(engine) -> None:
    """The application's table, made from its own metadata."""
    Shop.metadata.create_all(engine)


def check_out(durable, session) -> Basket:
    """Make a basket and its checkout in one transaction."""
    session.add(basket := Basket())
    session.flush()
    handle = durable.insert(Checkout(basket=basket.id), session=session)
    basket.checkout_id = handle.id
    return basket


class TestRelationship:
    def test_a_row_and_its_instance_in_one_transaction(self, durable, engine):
        """Both commit together; the relationship leads from the one to the other."""
        with Session(engine) as session, session.begin():
            basket = check_out(durable, session)
            session.flush()
            assert basket.checkout.status is gd.Status.RUNNABLE
        drain(durable)

        with Session(engine) as session:
            (found,) = session.scalars(
                select(Basket).join(Basket.checkout).where(gd.Instance.status == "awaiting_signal")
            )
            assert (found.checkout.step, found.checkout.awaits) == ("ship", ["paid"])
            assert found.checkout is durable.instance(found.checkout_id, session=session)

    def test_the_instance_may_be_set(self, durable, engine):
        """What ``Handle.instance`` returns in a session can be assigned."""
        with Session(engine) as session, session.begin():
            session.add(basket := Basket())
            session.flush()
            handle = durable.insert(Checkout(basket=basket.id), session=session)
            basket.checkout = handle.instance(session)
        with Session(engine) as session:
            assert session.scalars(select(Basket)).one().checkout_id == int(handle)

    def test_it_may_be_set_in_a_session_of_the_thread(self, durable, engine):
        """A ``scoped_session`` owns what it gives, as the session does that it stands for."""
        shared = scoped_session(sessionmaker(engine))
        shared.add(basket := Basket())
        shared.flush()
        handle = durable.insert(Checkout(basket=basket.id), session=shared)
        found = handle.instance(shared)
        assert found in shared
        basket.checkout = found
        shared.commit()

        assert shared.scalars(select(Basket)).one().checkout_id == int(handle)
        shared.remove()

    def test_a_step_reads_it(self, durable, engine):
        """In the session of a step the relationship works as everywhere."""
        with Session(engine) as session, session.begin():
            basket = check_out(durable, session)
            durable.signal(basket.checkout_id, "paid", session=session)
        drain(durable)

        with Session(engine) as session:
            assert session.scalars(select(Basket)).one().checkout.result is True

    def test_an_old_instance_goes_and_the_row_stays(self, durable, engine):
        """ON DELETE SET NULL: retention deletes the instance, and the key is empty."""
        with Session(engine) as session, session.begin():
            basket = check_out(durable, session)
            session.flush()
            id = basket.checkout_id
            durable.cancel(id, "no", session=session)
        elapse(durable, 3600)

        with durable.engine.begin() as conn:
            days = {"done": 60.0, "failed": 60.0, "cancelled": 60.0}
            assert retention.sweep(conn, durable.db, days, 100) == (1, 0)
        with Session(engine) as session:
            found = session.scalars(select(Basket)).one()
            assert (found.checkout_id, found.checkout) == (None, None)


class TestQueries:
    def test_by_state_mail_and_history(self, durable, engine):
        """State, inbox and history are there to be asked, joined and counted."""
        handles = durable.insert_all([Checkout(basket=n) for n in (42, 43)])
        drain(durable)
        durable.pause(handles[0], by="ada")
        durable.signal(handles[1], "other", {"n": 1})

        with Session(engine) as session:
            (found,) = session.scalars(
                select(gd.Instance).where(gd.Instance.state["basket"].as_integer() == 42)
            )
            assert found.id == int(handles[0])
            mail = select(gd.StoredSignal.payload["n"].as_integer()).join(
                gd.Instance, gd.Instance.id == gd.StoredSignal.target_id
            )
            assert session.scalars(mail).all() == [1]
            kinds = (
                select(gd.Transition.kind, func.count())
                .group_by(gd.Transition.kind)
                .order_by(gd.Transition.kind)
            )
            assert [tuple(row) for row in session.execute(kinds)] == [("await", 2), ("paused", 1)]

    def test_in_another_schema(self, url):
        """A binding in another schema has mapped classes of its own."""
        engine = create_engine(url)
        durable = gd.bind(engine, schema="elsewhere")
        durable.create_schema()
        handle = durable.insert(Checkout(basket=1))

        with Session(engine) as session:
            found = session.scalars(
                select(durable.Instance).where(durable.Instance.state["basket"].as_integer() == 1)
            ).one()
            assert (found.id, found.status) == (handle.id, gd.Status.RUNNABLE)
            assert session.scalars(select(gd.Instance)).all() == []
        engine.dispose()
