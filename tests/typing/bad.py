"""The common mistakes: a type checker complains about each line that is marked as wrong."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

import gendurable as gd
from gendurable.testing import drain, elapse


class Paid(gd.Signal):
    amount: int


class Order(gd.FSM, queue="orders"):
    number: int
    paid: int | None = None

    @gd.step(initial=True)
    def start(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Await(Paid, then=self.shpi)  # wrong: a misspelt step

    @gd.step
    def ship(self, ctx: gd.Context) -> gd.Outcome:
        self.paid = "3"  # wrong: a field's type
        payment = ctx.awaited.first(Paid)
        self.paid = payment.amount  # wrong: there may be none
        return gd.Done(self.nubmer)  # wrong: a misspelt field

    @gd.step  # wrong: a step without an outcome
    def forget(self, ctx: gd.Context) -> None:
        self.paid = None

    @gd.step()  # wrong: likewise, of an async step
    async def forget_too(self, ctx: gd.Context) -> None:
        self.paid = None

    @gd.step
    def text(self, ctx: gd.Context) -> gd.Outcome:
        return "ship"  # wrong: a name is no outcome

    @gd.step(retries=3)  # wrong: an option that does not exist
    def options(self, ctx: gd.Context) -> gd.Outcome:
        return gd.Next(self.ship, dealy=3)  # wrong: likewise

    @gd.step
    def look(self, ctx: gd.Context) -> gd.Outcome:
        ctx.idempotency  # wrong: no such attribute
        return gd.Retry("soon")  # wrong: no duration


class Careless(gd.Job):
    to: str

    def perform(self) -> None:  # wrong: a job takes its context
        return None


@gd.job(queue="mail")
def send_mail(ctx: gd.Context, to: str) -> None: ...


Paid(amount="3")  # wrong: a signal's payload
Paid(amuont=3)  # wrong: likewise
Order(nubmer=3)  # wrong: a misspelt field
send_mail(3)  # wrong: an argument's type
send_mail("x", body="y")  # wrong: no such parameter


def bound(engine: Engine) -> None:
    gd.bind(engine, lease_tll=3)  # wrong: a misspelt setting
    gd.bind(engine, lease_ttl="3")  # wrong: a setting's type
    gd.bind(engine, rate_limits={"bank": gd.ConcurrencyLimit(1)})  # wrong: the other kind
    durable = gd.bind(engine)
    durable.worker(queus={"mail": 3})  # wrong: a misspelt setting
    durable.worker(queues=["mail"])  # wrong: a setting's type
    durable.worker(reaper={"intervall": 1})  # wrong: a misspelt part of one
    durable.worker(gc={"retention": {"gone": 1}})  # wrong: likewise


def test(engine: Engine, durable: gd.Durable) -> None:
    drain(engine)  # wrong: no binding
    elapse(durable)  # wrong: for how long?
    elapse(durable, "1 h")  # wrong: no duration


async def mix(durable: gd.Durable, session: Session, other: AsyncSession) -> None:
    durable.insert(Order(number=3), session=other)  # wrong: an asynchronous session
    await durable.aio.insert(Order(number=3), session=session)  # wrong: one that is not
    await durable.aio.cancel(3)  # wrong: a reason is missing
    await durable.aio.insert(Order(number=3), dealy=3)  # wrong: no such option
    order = await durable.aio.insert(Order(number=3))
    order.wait().result  # wrong: a coroutine that nobody awaits
