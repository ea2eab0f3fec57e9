"""Code as users write it; type checkers have nothing to say about it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_scoped_session,
)
from sqlalchemy.orm import Session, sessionmaker

import gendurable as gd


class PaymentConfirmed(gd.Signal):
    amount: int


class Refund(gd.Signal, name="refund"):
    amount: Decimal
    reason: str = "unknown"


class Base(gd.FSM, abstract=True, queue="checkout", max_crashes=None):
    order: int

    def handle(self, error: Exception, ctx: gd.Context) -> gd.Outcome:
        if isinstance(error, OSError):
            return gd.Retry(timedelta(seconds=5))
        return super().handle(error, ctx)


class Checkout(
    Base,
    name="Checkout",
    version=2,
    retry=gd.Backoff(attempts=5, on=(OSError, TimeoutError)),
    step_timeout=timedelta(minutes=5),
    run_ahead=10,
    history="all",
):
    paid: int | None = None

    @gd.step(initial=True, aliases=("begin",))
    def start(self, ctx: gd.Context) -> gd.Outcome:
        wait = gd.Await(PaymentConfirmed, then=self.ship, timeout=timedelta(hours=1))
        several = gd.Await([PaymentConfirmed, "cancel"], "ship")
        return wait if self.paid is None else several

    @gd.step
    def ship(self, ctx: gd.Context) -> gd.Outcome:
        payment = ctx.awaited.first(PaymentConfirmed)
        if payment is None:
            return gd.Stop("payment never came")
        self.paid = payment.amount
        raw = ctx.awaited.first("cancel")
        if raw is not None:
            ctx.log.info("cancelled by %s at %s", raw.payload, raw.inserted_at)
        total = sum(refund.amount for refund in ctx.signals.all(Refund))
        ctx.session.flush()
        return gd.Done({"order": self.order, "paid": self.paid, "refunded": total})

    @gd.step(retry=gd.Backoff(3), step_timeout=60)
    async def notify(self, ctx: gd.Context) -> gd.Outcome:
        await ctx.async_session.flush()
        return gd.Next(self.fan_out, delay=3, concurrency_key=("stripe", self.order), weight=2)

    @gd.step
    def fan_out(self, ctx: gd.Context) -> gd.ScheduleChildren:
        children = [Mail(to="a"), gd.Spawn(send_mail("b"), priority=5, correlation_scope=gd.ALL)]
        return gd.ScheduleChildren(children, then=self.gather, quorum=1)

    @gd.step
    def gather(self, ctx: gd.Context) -> gd.Outcome:
        done = ctx.children.count(gd.Status.DONE)
        if done < len(ctx.children):
            return gd.Stop(next(str(child.last_error) for child in ctx.children))
        return gd.Next("ship", concurrency_key=None, priority=1, queue="other", run_ahead=False)

    @gd.upgrade(from_version=1)
    @staticmethod
    def from_first(state: dict[str, Any], step: str) -> tuple[dict[str, Any], str]:
        return state | {"paid": None}, step


class Mail(gd.Job, queue="mail", max_attempts=3):
    to: str
    seen: ClassVar[int] = 0

    def perform(self, ctx: gd.Context) -> int:
        if ctx.attempt > 1:
            raise gd.Fail("bounced")
        if ctx.stopping:
            raise gd.Snooze(timedelta(minutes=1))
        return len(self.to)

    def backoff(self, attempt: int) -> float:
        return 2.0 * attempt


class Fetch(gd.Job):
    url: str
    max_attempts: ClassVar[int] = 7

    async def perform(self, ctx: gd.Context) -> dict[str, str]:
        return {"url": self.url}


@gd.job(queue="mail", max_attempts=3)
def send_mail(ctx: gd.Context, to: str, body: str = "") -> None:
    ctx.log.info("to %s", to)


@gd.job(name="resize")
async def resize(path: str, *, width: int) -> str:
    return f"{path}@{width}"


@gd.job
def plain(number: int) -> int:
    return number


jobs: list[gd.Job] = [
    send_mail("x"),
    send_mail(to="x", body="y"),
    resize("x", width=3),
    plain(number=3),
    Mail(to="x"),
    Fetch(url="x"),
]
limits = {"stripe": gd.RateLimit(100, per=60), "bank": gd.RateLimit(0, per=1, burst=5)}
slots = {"stripe": gd.ConcurrencyLimit(100)}
signals: list[gd.Signal] = [PaymentConfirmed(amount=3), Refund(amount=Decimal(1))]


def work(engine: Engine, other: AsyncEngine, factory: sessionmaker[Session]) -> gd.Worker:
    durable = gd.bind(
        engine,
        async_engine=other,
        session_factory=factory,
        rate_limits=limits,
        concurrency_limits=slots,
        fsms=[Checkout, Mail],
        lease_ttl=timedelta(minutes=1),
        heartbeat_interval=2.5,
        listen_url="postgresql+psycopg://direct/shop",
    )
    durable.worker(reaper=False, gc=True, cron={"interval": timedelta(seconds=1)})
    return durable.worker(
        queues={"mail": 3},
        gc={"retention": {"done": timedelta(days=1), "failed": 60}, "batch": 10},
        health_port=8080,
    )


def operate(durable: gd.Durable, order: gd.Handle) -> None:
    one: bool = durable.cancel(order, "no", cascade=True, by="ada")
    many: int = durable.cancel(where=gd.Instance.queue == "mail", reason="no")
    durable.retry(order)
    revived: int = durable.retry(where=gd.Instance.last_error.startswith("OSError"))
    held: int = durable.pause(order, by="ada") + durable.pause(queue="mail")
    held += durable.resume(where=gd.Instance.paused_at.isnot(None))
    durable.rewind(order, to=Mail.perform, reason="again")
    durable.rewind("order:42", to=4711)
    durable.rewind("order:42", to=gd.Transition(id=4711))
    durable.rewind(("order", 42), to=4711)
    back: int = durable.rewind(where=gd.Instance.fsm == "Mail", to="perform")
    durable.patch_state(order, {"to": "ada"}, expect=3)
    why = durable.explain(order)
    text: str = why.text if why.reason is gd.Reason.KEY_HELD else str(why.details)
    print(one, many, revived, held, back, text)


async def operate_async(durable: gd.Durable, session: AsyncSession) -> None:
    aio: gd.AsyncDurable = durable.aio
    order: gd.AsyncHandle = await aio.insert(Checkout(order=1), session=session)
    many: list[gd.AsyncHandle | None] = await aio.insert_all(jobs, session=session)
    stored: bool = await order.signal(PaymentConfirmed(amount=3), session=session)
    settled: gd.Settled = await order.wait(timeout=3, until="terminal")
    row: gd.Instance | None = await order.instance(session)
    one: bool = await aio.cancel(order, "no", cascade=True, by="ada", session=session)
    count: int = await aio.cancel(where=gd.Instance.queue == "mail", reason="no")
    await aio.retry(order)
    count += await aio.retry(where=gd.Instance.last_error.startswith("OSError"))
    await aio.rewind("order:42", to=Mail.perform)
    count += await aio.rewind(where=gd.Instance.fsm == "Mail", to="perform")
    count += await aio.pause(queue="mail") + await aio.resume(queue="mail")
    why: gd.Explanation = await aio.explain(order)
    triggered: gd.AsyncHandle = await aio.trigger("yearly")
    durable.cancel(triggered, "either kind of handle names an instance")
    print(many, stored, settled.result, row, one, count, why.text)


async def operate_elsewhere(
    durable: gd.Durable, scope: async_scoped_session[AsyncSession], conn: AsyncConnection
) -> None:
    await durable.aio.insert(Checkout(order=1), session=scope)
    await durable.aio.signal(3, "go", {"n": 1}, dedup_key="d", session=conn)
