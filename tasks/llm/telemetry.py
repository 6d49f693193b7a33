"""Metrics and spans of what is asked, in OpenTelemetry's words for generative models where it has one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from tasks.llm.types import Completion, ProviderError, Request, Usage

METER = "kodcode.llm"


@contextmanager
def spanned(
    tracer: trace.Tracer,
    name: str,
    attributes: Mapping[str, str | int | float],
    parent: Context | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
) -> Iterator[Span]:
    """A span around what is done. Of an error it has the class, never the words, which may quote an answer."""
    with tracer.start_as_current_span(
        name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
    ) as made:
        try:
            yield made
        except BaseException as error:  # cancelled too; raised
            made.set_status(Status(StatusCode.ERROR))
            made.set_attribute("error.type", type(error).__name__)
            raise


class Telemetry:
    """Records on the instruments of a meter, and makes spans with a tracer; of the whole process where none is given,
    whose API does nothing until somebody sets OpenTelemetry up.

    Tokens, durations: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/
    """

    def __init__(self, meter: metrics.Meter | None = None, tracer: trace.Tracer | None = None) -> None:
        meter = meter or metrics.get_meter(METER)
        self._tracer = tracer or trace.get_tracer(METER)
        self._tokens = meter.create_histogram("gen_ai.client.token.usage", "{token}", "Tokens of an answer.")
        self._duration = meter.create_histogram("gen_ai.client.operation.duration", "s", "Seconds of a call.")
        self._cost = meter.create_counter("kodcode.llm.cost", "USD", "Dollars paid.")
        self._failures = meter.create_counter("kodcode.llm.failures", "{call}", "Calls without an answer, by kind.")
        self._in_flight = meter.create_up_down_counter("kodcode.llm.in_flight", "{call}", "Calls in flight.")

    @contextmanager
    def call(self, request: Request, request_hash: str) -> Iterator[Span]:
        """Around one call, from when it is sent until it is over, whatever comes of it.

        The span has no text: neither what was asked nor what was answered, nor what a provider says of its failure.
        """
        attributes = _attributes(request)
        about = attributes | {"kodcode.attempt": request.attempt, "kodcode.request_hash": request_hash}
        name = f"{attributes['gen_ai.operation.name']} {request.model}"
        self._in_flight.add(1, attributes)
        try:
            with spanned(self._tracer, name, about, kind=SpanKind.CLIENT) as span:
                yield span
        except ProviderError as error:
            self._failures.add(1, attributes | {"error.type": type(error).__name__})
            raise
        finally:
            self._in_flight.add(-1, attributes)

    def completed(self, span: Span, completion: Completion) -> None:
        """What came of the call of this span."""
        span.set_attribute("gen_ai.response.finish_reasons", [completion.finish_reason])
        span.set_attribute("gen_ai.usage.input_tokens", completion.usage.input_tokens)
        span.set_attribute("gen_ai.usage.output_tokens", completion.usage.output_tokens)

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


def _attributes(request: Request) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "chat" if request.prompt is None else "text_completion",
        "gen_ai.provider.name": request.provider,
        "gen_ai.request.model": request.model,
        "kodcode.stage": request.stage,
        "kodcode.subset": request.subset,
    }
