"""Metrics of what is asked, in OpenTelemetry's words for generative models where it has one."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tasks.llm.types import ProviderError, Request, Usage

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

METER = "kodcode.llm"


class Telemetry:
    """Records on the instruments of one meter. Who wants none makes none: OpenTelemetry is not imported then.

    Tokens, durations: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/
    """

    def __init__(self, meter: Meter) -> None:
        self._tokens = meter.create_histogram("gen_ai.client.token.usage", "{token}", "Tokens of an answer.")
        self._duration = meter.create_histogram("gen_ai.client.operation.duration", "s", "Seconds of a call.")
        self._cost = meter.create_counter("kodcode.llm.cost", "USD", "Dollars paid.")
        self._failures = meter.create_counter("kodcode.llm.failures", "{call}", "Calls without an answer, by kind.")
        self._in_flight = meter.create_up_down_counter("kodcode.llm.in_flight", "{call}", "Calls in flight.")

    def sent(self, request: Request) -> None:
        self._in_flight.add(1, _attributes(request))

    def left(self, request: Request) -> None:
        """The call is over, whatever came of it."""
        self._in_flight.add(-1, _attributes(request))

    def answered(self, request: Request, latency_s: float) -> None:
        """A call brought an answer. Not told of batches: their hours say nothing of how long a model takes."""
        self._duration.record(latency_s, _attributes(request))

    def paid(self, request: Request, usage: Usage, cost_usd: Decimal) -> None:
        attributes = _attributes(request)
        self._cost.add(float(cost_usd), attributes)
        for kind, count in (
            ("input", usage.input_tokens),
            ("cached_input", usage.cached_input_tokens),
            ("output", usage.output_tokens),
            ("reasoning", usage.reasoning_tokens),
        ):
            self._tokens.record(count, attributes | {"gen_ai.token.type": kind})

    def failed(self, request: Request, error: ProviderError) -> None:
        self._failures.add(1, _attributes(request) | {"error.type": type(error).__name__})


def _attributes(request: Request) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "chat" if request.prompt is None else "text_completion",
        "gen_ai.provider.name": request.provider,
        "gen_ai.request.model": request.model,
        "kodcode.stage": request.stage,
        "kodcode.subset": request.subset,
    }
