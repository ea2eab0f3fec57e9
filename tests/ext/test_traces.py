"""Traces run from who inserts through every step, signal and child."""

from __future__ import annotations

import asyncio

import pytest
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

import gendurable as gd
from gendurable import testing
from gendurable.duties import CronSettings
from gendurable.ext.opentelemetry import instrument, uninstrument
from gendurable.runtime.cron import Cron
from gendurable.runtime.loop import Outage
from tests.ext.machines import Leaf, Lost, Parent, Shaky, Slow, SlowAsync


def ids(span):
    """Return what names a span in a traceparent."""
    return span.context.trace_id, span.context.span_id


def parent(span):
    return span.parent.trace_id, span.parent.span_id


def column(durable, handle, name):
    with durable.engine.begin() as conn:
        rows = durable.Instance.__table__.c
        return conn.scalar(select(rows[name]).where(rows.id == int(handle)))


class TestSteps:
    def test_a_step_belongs_to_the_request_that_inserted(self, durable, spans):
        """Its parent is the span in which the insert was called."""
        with spans.tracer.start_as_current_span("request"):
            durable.insert(Shaky())
        testing.drain(durable)

        first, second = spans.all("ext.Shaky.start")
        assert parent(first) == parent(second) == ids(spans.one("request"))

    @pytest.mark.parametrize("in_a_session", [True, False])
    def test_so_it_does_by_a_coroutine(self, durable, spans, url, in_a_session):
        """The span goes along to the thread, and to the session's side of the event loop."""
        engine = create_async_engine(url, poolclass=NullPool)

        async def main():
            async with AsyncSession(engine) as session, session.begin():
                with spans.tracer.start_as_current_span("request"):
                    await durable.aio.insert(Leaf(), session=session if in_a_session else None)

        asyncio.run(main())
        testing.drain(durable)

        assert parent(spans.one("ext.Leaf.start")) == ids(spans.one("request"))

    def test_without_a_request_a_step_begins_a_trace(self, durable, spans):
        """Nothing is sent along, and nothing of the worker's own context is taken."""
        handle = durable.insert(Leaf())
        with spans.tracer.start_as_current_span("worker"):
            testing.drain(durable)

        assert spans.one("ext.Leaf.start").parent is None
        assert column(durable, handle, "headers") is None

    def test_says_what_ran_and_what_came_of_it(self, durable, spans):
        """Machine, step, attempt, instance, queue and outcome are attributes."""
        handle = durable.insert(Leaf(), correlation_key="leaf:1")
        testing.drain(durable)

        span = spans.one("ext.Leaf.start")
        found = dict(span.attributes)
        assert found.pop("messaging.client.id").startswith("drain:")
        assert found == {
            "messaging.system": "gendurable",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": "ext",
            "messaging.message.id": str(int(handle)),
            "messaging.message.conversation_id": "leaf:1",
            "gendurable.binding": "default",
            "gendurable.instance.id": int(handle),
            "gendurable.fsm": "ext.Leaf",
            "gendurable.fsm.version": 1,
            "gendurable.step": "start",
            "gendurable.attempt": 0,
            "gendurable.outcome": "done",
        }
        assert span.kind is SpanKind.CONSUMER
        assert span.status.status_code is StatusCode.UNSET

    def test_an_error_is_recorded(self, durable, spans):
        """Its class, its text and its traceback, also when the step is tried again."""
        durable.insert(Shaky())
        testing.drain(durable)

        failed, good = spans.all("ext.Shaky.start")
        assert failed.status.status_code is StatusCode.ERROR
        assert failed.status.description == "OSError: the line is down"
        assert failed.attributes["error.type"] == "OSError"
        assert failed.attributes["gendurable.outcome"] == "retry"
        assert [event.name for event in failed.events] == ["exception"]
        assert (good.attributes["gendurable.attempt"], good.events) == (1, ())

    def test_a_failed_instance_is_an_error(self, durable, spans):
        """Stop is one, though nothing was raised."""
        durable.insert(Shaky(end="stop"))
        testing.drain(durable)

        span = spans.all("ext.Shaky.start")[1]
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description == "enough"
        assert span.attributes["gendurable.outcome"] == "stop"

    def test_a_lost_lease_is_an_error(self, durable, spans):
        """The execution counts for nothing."""
        durable.insert(Lost())

        assert testing.drain(durable) == {"stale": 1}
        assert spans.one("ext.Lost.start").attributes["error.type"] == "lost"

    def test_an_invalid_state_is_an_error(self, durable, spans):
        """The span says why nothing ran."""
        durable.insert(Shaky())
        with durable.engine.begin() as conn:
            conn.execute(text("""UPDATE gendurable.instances SET state = '{"end": 5}'"""))
        testing.drain(durable)

        assert spans.one("ext.Shaky.start").attributes["error.type"] == "invalid"

    @pytest.mark.parametrize("machine", [Slow, SlowAsync])
    def test_a_timeout_is_an_error(self, durable, spans, machine, eventually, caplog):
        """The execution that was given up has a span, and so has the one that answers for it."""
        name = f"{machine.__machine__.name}.perform"
        with durable.worker(queues={"ext": 2}):
            assert durable.insert(machine()).wait(10, until="terminal").status == "failed"
            eventually(lambda: len(spans.all(name)) == 2)

        errors = {span.attributes.get("error.type") for span in spans.all(name)}
        assert "gendurable.errors.StepTimeout" in errors
        assert "context" not in caplog.text.lower()


class TestFamilies:
    def test_a_trace_runs_through_signals_and_children(self, durable, spans):
        """Children belong to the step that has them; what woke a step is linked to it."""
        with spans.tracer.start_as_current_span("request"):
            handle = durable.insert(Parent())
        testing.drain(durable)
        with spans.tracer.start_as_current_span("webhook"):
            handle.signal("go")
        testing.drain(durable)

        request, spread = spans.one("request"), spans.one("ext.Parent.spread")
        for step in ("start", "spread", "finish"):
            assert parent(spans.one(f"ext.Parent.{step}")) == ids(request)
        (link,) = spread.links
        assert (link.context.trace_id, link.context.span_id) == ids(spans.one("webhook"))
        leaves = spans.all("ext.Leaf.start")
        assert len(leaves) == 2
        assert {parent(leaf)[0] for leaf in leaves} == {request.context.trace_id}
        assert ids(spread) in {parent(leaf) for leaf in leaves}

    @pytest.mark.parametrize("machine", [Leaf, Parent])
    def test_the_span_is_the_current_one_in_the_step(self, durable, spans, machine):
        """In async steps, and in threads of a real worker, which may start spans of their own."""
        handle = durable.insert(machine())
        with durable.worker(queues={"ext": 2}):
            if machine is Parent:
                handle.wait(10)
                handle.signal("go")
            assert handle.wait(10, until="terminal").status == "done"

        leaves = spans.all("ext.Leaf.start")
        assert leaves
        if machine is Leaf:
            assert column(durable, handle, "result") == leaves[0].context.span_id
        else:
            traces = {leaf.context.trace_id for leaf in leaves}
            assert spans.one("ext.Parent.spread").context.trace_id in traces

    def test_headers_of_the_inserter_stay(self, durable, spans):
        """The trace is put beside them, and a traceparent of his own wins."""
        own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        with spans.tracer.start_as_current_span("request"):
            durable.insert_all(
                [
                    gd.Spawn(Leaf(), headers={"tenant": 7}),
                    gd.Spawn(Leaf(), headers={"traceparent": own, "number": 5}),
                ]
            )
        with durable.engine.begin() as conn:
            rows = durable.Instance.__table__.c
            first, second = conn.scalars(select(rows.headers).order_by(rows.id))
        testing.drain(durable)

        assert (first["tenant"], set(first)) == (7, {"tenant", "traceparent"})
        assert second == {"traceparent": own, "number": 5}
        assert spans.all("ext.Leaf.start")[1].parent.span_id == 0xB7AD6B7169203331

    def test_a_triggered_instance_belongs_to_who_triggers_it(self, durable, spans):
        """As with an insert; headers of the schedule itself stay."""
        durable.schedule("leaf", Leaf(), cron="0 0 1 1 *", headers={"tenant": 7})
        with spans.tracer.start_as_current_span("request"):
            handle = durable.trigger("leaf")
        testing.drain(durable)

        assert parent(spans.one("ext.Leaf.start")) == ids(spans.one("request"))
        headers = column(durable, handle, "headers")
        assert set(headers) == {"traceparent", "tenant", "schedule", "occurrence", "triggered"}

    def test_what_the_clock_inserts_bears_the_word_of_its_probes(self, durable, spans):
        """A probe that always has something to say is asked by the clock, too."""
        durable.schedule("leaf", Leaf(), cron="* * * * * *", missed="all")
        cron = Cron(durable, CronSettings(), Outage("test"))
        with spans.tracer.start_as_current_span("clock"):
            cron.tick()
            testing.elapse(durable, 2)
            cron.tick()
        testing.drain(durable)

        assert {parent(one) for one in spans.all("ext.Leaf.start")} == {ids(spans.one("clock"))}

    def test_each_of_a_batch_belongs_to_where_it_was_made(self, durable, spans):
        """A generator may open a span for some of its objects only, and not for the first."""

        def leaves():
            yield Leaf()
            with spans.tracer.start_as_current_span("request"):
                yield Leaf()

        first, second = durable.insert_all(leaves())

        assert column(durable, first, "headers") is None
        assert "traceparent" in (column(durable, second, "headers") or {})

    def test_headers_that_are_no_trace_harm_nothing(self, durable, spans):
        """Whatever stands there, the step runs, and has a span."""
        durable.insert_all(
            [
                gd.Spawn(Leaf(), headers={"traceparent": 5}),
                gd.Spawn(Leaf(), headers={"traceparent": "nonsense", "baggage": ["x"]}),
            ]
        )

        assert testing.drain(durable) == {"done": 2}
        assert [span.parent for span in spans.all("ext.Leaf.start")] == [None, None]


class TestInstrumenting:
    def test_uninstrument_leaves_nothing(self, durable, spans):
        """No span, no header; and it may be called twice."""
        uninstrument(durable)
        uninstrument(durable)
        with spans.tracer.start_as_current_span("request"):
            handle = durable.insert(Leaf())
        testing.drain(durable)

        assert spans.all("ext.Leaf.start") == []
        assert durable.probes == ()
        assert column(durable, handle, "headers") is None

    def test_twice_is_once(self, durable, spans, numbers):
        """A second call replaces the first: one span for each execution."""
        instrument(durable, tracer_provider=spans.provider, meter_provider=numbers.provider)
        durable.insert(Leaf())
        testing.drain(durable)

        assert len(spans.all("ext.Leaf.start")) == 1

    def test_another_binding_is_left_alone(self, durable, spans, engine):
        """Only the binding that was named is traced."""
        other = gd.bind(engine, name="other")
        other.insert(Leaf())
        testing.drain(other)

        assert spans.all("ext.Leaf.start") == []

    def test_untraced_nothing_is_added(self, durable, monkeypatch):
        """Without a probe an execution is not surrounded, and no sender is asked for."""
        monkeypatch.delattr("gendurable.engine.executor.surrounded")
        handle = durable.insert(Parent())
        testing.drain(durable)
        handle.signal("go")

        assert testing.drain(durable) == {"children": 1, "done": 3}


class Broken:
    """A probe of which nothing works."""

    def began(self, scope, senders):
        raise RuntimeError("began")

    def ended(self, begun, finished):
        raise RuntimeError("ended")

    def headers(self):
        raise RuntimeError("headers")


class HalfBroken(Broken):
    def began(self, scope, senders):
        return "something"


class TestBrokenProbes:
    @pytest.mark.parametrize("probe", [Broken, HalfBroken])
    def test_harm_nothing(self, durable, spans, probe, caplog):
        """Steps run, outcomes commit, the other probes are told; the log says what failed."""
        durable.probes = (probe(), *durable.probes, probe())
        handle = durable.insert(Parent())
        testing.drain(durable)
        handle.signal("go")

        assert testing.drain(durable) == {"children": 1, "done": 3}
        assert len(spans.all("ext.Leaf.start")) == 2
        assert "a probe failed" in caplog.text

    def test_senders_that_cannot_be_read_cost_the_link_only(self, durable, spans, monkeypatch):
        """The step runs, without a link."""
        handle = durable.insert(Parent())
        testing.drain(durable)
        with spans.tracer.start_as_current_span("webhook"):
            handle.signal("go")

        def away(*arguments):
            raise ConnectionError("away")

        monkeypatch.setattr("gendurable.engine.probes.signals.senders", away)
        testing.drain(durable)

        assert spans.one("ext.Parent.spread").links == ()
