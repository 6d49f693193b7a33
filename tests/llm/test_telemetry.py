"""Metrics as OpenTelemetry's own reader finds them, and no trace of it where nobody wants any."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from sqlalchemy import Engine

from tasks.llm import Gateway, Message, PriceTable, Request
from tasks.llm.openai_provider import OpenAIProvider
from tasks.llm.telemetry import METER, Telemetry
from tasks.store import ArtifactStore
from tests.llm.fault_server import FaultServer, chat, error


def recorded(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    """Data points by metric."""
    data = reader.get_metrics_data()
    assert data is not None
    metrics = data.resource_metrics[0].scope_metrics[0].metrics
    return {metric.name: list(metric.data.data_points) for metric in metrics}


def test_calls_tokens_dollars_and_failures_are_measured(
    database: Engine, artifacts: ArtifactStore, server: FaultServer
) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 400}}
    server.script(error(500, "oops"), error(429, "slow down"), chat("hi", usage=usage), chat("hi", usage=usage))
    reader = InMemoryMetricReader()
    prices = PriceTable.load(given=["m=2:1:30"])

    async def run() -> None:
        made = Telemetry(MeterProvider([reader]).get_meter(METER))
        async with Gateway(
            database, artifacts, OpenAIProvider(server.url), prices, None, 1, telemetry=made
        ) as gateway:
            for number in (0, 1, 1):  # the last is in the ledger: nothing is measured
                await gateway.ask(Request("openai", "m", (Message("user", "x"),), attempt=number, subset="Evol"))

    asyncio.run(run())
    found = recorded(reader)
    tokens = {point.attributes["gen_ai.token.type"]: (point.count, point.sum)
              for point in found["gen_ai.client.token.usage"]}  # fmt: skip
    assert tokens == {"input": (2, 2000), "cached_input": (2, 800), "output": (2, 200), "reasoning": (2, 0)}
    [cost] = found["kodcode.llm.cost"]
    assert cost.value == pytest.approx(2 * (600 * 2 + 400 * 1 + 100 * 30) / 1e6)
    assert cost.attributes == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "m",
        "kodcode.stage": "solve", "kodcode.subset": "Evol",
    }  # fmt: skip
    assert [point.count for point in found["gen_ai.client.operation.duration"]] == [2]
    failures = {point.attributes["error.type"]: point.value for point in found["kodcode.llm.failures"]}
    assert failures == {"ProviderUnavailable": 1, "RateLimited": 1}
    assert [point.value for point in found["kodcode.llm.in_flight"]] == [0]


def test_without_an_endpoint_nothing_is_set_up() -> None:
    program = (
        "import sys, tasks.llm.gateway, tasks.telemetry as t; t.telemetry(), t.counted(), t.tracer();"
        "sys.exit(any(name.startswith('opentelemetry.sdk') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], env={}, check=False).returncode == 0


@pytest.mark.parametrize("asked", ["tracer", "counted", "telemetry"])
def test_an_endpoint_without_the_exporter_says_what_to_install(asked: str) -> None:
    program = (
        "import sys\n"
        "for kind in ('metric', 'trace'):\n"
        "    sys.modules[f'opentelemetry.exporter.otlp.proto.http.{kind}_exporter'] = None\n"
        f"import tasks.telemetry\ntasks.telemetry.{asked}()"
    )
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert "ConfigurationError" in done.stderr
    assert "kodcode[otel]" in done.stderr
