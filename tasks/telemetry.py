"""Sends the gateway's metrics to an OpenTelemetry collector, where its usual environment variables name one."""

from __future__ import annotations

import functools
import os

from tasks.llm.telemetry import METER, Telemetry
from tasks.settings import ConfigurationError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


@functools.cache
def telemetry() -> Telemetry | None:
    """This process's metrics; None, and nothing imported, where no endpoint is named. Raises ConfigurationError."""
    named = next((name for name in ENDPOINTS if os.environ.get(name)), None)
    if named is None:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
        from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError(
            f"{named} is set, but OpenTelemetry is not installed. Install the extra, kodcode[otel], or unset it."
        ) from None
    # Not the global provider, which belongs to whoever embeds this. It flushes when the interpreter exits.
    return Telemetry(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())]).get_meter(METER))
