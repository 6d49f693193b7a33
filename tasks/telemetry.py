"""OpenTelemetry: spans run -> stage -> shard -> call or execution, and metrics of rows, executions and calls.

All goes through OpenTelemetry's API, which does nothing by itself. Where its usual environment variables name a
collector, this process sends to it (extra `otel`); else a program that has set up OpenTelemetry for itself gets it.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import context, metrics, trace
from opentelemetry.trace import Span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tasks.llm.telemetry import METER, Telemetry, spanned
from tasks.settings import ConfigurationError

SCOPE = "kodcode"
_W3C = TraceContextTextMapPropagator()


@functools.cache
def tracer() -> trace.Tracer:
    """This process's tracer. Raises ConfigurationError."""
    named = _endpoint("TRACES")
    if named is None:
        return trace.get_tracer(SCOPE)
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise _not_installed(named, error) from None
    # Not the global provider, which belongs to whoever embeds this. It flushes when the interpreter exits.
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider.get_tracer(SCOPE)


@functools.cache
def _meters() -> Any:
    """Where instruments come from. Raises ConfigurationError."""
    named = _endpoint("METRICS")
    if named is None:
        return metrics.get_meter_provider()
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
        from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415
    except ImportError as error:
        raise _not_installed(named, error) from None
    return MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])


@functools.cache
def telemetry() -> Telemetry:
    """What gateways of this process record on. Raises ConfigurationError."""
    return Telemetry(_meters().get_meter(METER), tracer())


class Counted:
    """Metrics of what is worked on."""

    def __init__(self, meter: metrics.Meter) -> None:
        self._rows = meter.create_counter("kodcode.rows", "{row}", "Rows that ended, by stage and status.")
        self._executions = meter.create_histogram("kodcode.execution.duration", "s", "Seconds of a judged program.")

    def rows(self, stage: str, counts: Mapping[str, int]) -> None:
        for status, count in counts.items():
            self._rows.add(count, {"kodcode.stage": stage, "kodcode.status": status})

    def execution(self, judge: str, verdict: str, duration_s: float) -> None:
        self._executions.record(duration_s, {"kodcode.judge": judge, "kodcode.verdict": verdict})


@functools.cache
def counted() -> Counted:
    """This process's. Raises ConfigurationError."""
    return Counted(_meters().get_meter(SCOPE))


@contextmanager
def span(name: str, parent: str | None = None, **attributes: str | int | float | None) -> Iterator[Span]:
    """A span around what is done, below the current one or `parent`, a W3C traceparent; attributes are `kodcode.NAME`.
    Of an error it has the class only."""
    about = {f"kodcode.{key}": value for key, value in attributes.items() if value is not None}
    above = None if parent is None else _W3C.extract({"traceparent": parent}, context.get_current())
    with spanned(tracer(), name, about, above) as made:
        yield made


def traceparent() -> str | None:
    """The current span for others to go on below it; None where nothing records."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier.get("traceparent")


def _endpoint(kind: str) -> str | None:
    """The variable that names a collector of this kind of data."""
    names = (f"OTEL_EXPORTER_OTLP_{kind}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return next((name for name in names if os.environ.get(name)), None)


def _not_installed(named: str, error: ImportError) -> ConfigurationError:
    return ConfigurationError(
        f"{named} is set, but {error.name} is not installed. Install the extra, kodcode[otel], or unset it."
    )
