"""Traces from the request that inserts through every step to the children; and metrics.

Needs the extra ``opentelemetry``; where the data goes is up to the SDK that the application has.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from gendurable.durable import Durable
from gendurable.ext.opentelemetry.metrics import Metrics
from gendurable.ext.opentelemetry.traces import Tracer

__all__ = ["instrument", "uninstrument"]

_instrumented: WeakKeyDictionary[Durable, tuple[Tracer, Metrics]] = WeakKeyDictionary()


def instrument(
    durable: Durable,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> None:
    """Trace and measure a binding from now on; a second call replaces the first.

    Both sides need it: who inserts, so that the trace goes along, and who works. The context of
    the current span is put into the ``headers`` of each instance and signal, in the format of the
    global propagator (W3C unless told otherwise). Each execution of a step is a span.

    Args:
        durable: the binding.
        tracer_provider: default: the global one.
        meter_provider: default: the global one.
    """
    uninstrument(durable)
    tracer = Tracer(durable, tracer_provider)
    durable.probes = (*durable.probes, tracer)
    _instrumented[durable] = tracer, Metrics(durable.name, meter_provider)


def uninstrument(durable: Durable) -> None:
    """Trace and measure a binding no more; does nothing if it was not instrumented."""
    tracer, metrics = _instrumented.pop(durable, (None, None))
    if metrics is not None:
        durable.probes = tuple(probe for probe in durable.probes if probe is not tracer)
        metrics.close()
