"""The spans and metrics of a run, as OpenTelemetry's own exporters find them, and the lines of its log."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from sqlalchemy import Engine, text

from tasks import telemetry
from tasks.drain import drain_for, handle_shard, work_through
from tasks.llm import ProviderMisconfigured
from tasks.logs import JsonLines, Record, about, set_up_logs, without_secrets
from tasks.options import Models
from tasks.record import stop_run
from tasks.run import recorded_run
from tasks.shards import plan
from tasks.solve import STAGE, open_trials
from tasks.store import copy_rows
from tasks.store.schema import Question, Trial
from tasks.work import Work
from tests.llm.fault_server import FaultServer, error
from tests.recovery.teacher import Teacher, teacher

KEY = "sk-this-is-the-key-of-the-test"
TRIALS = [f"Leetcode_{number:08d}:0" for number in (4, 5)]


@pytest.fixture(autouse=True)
def places(database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run is given, and two questions to solve."""
    monkeypatch.setenv("KODCODE_DATABASE_URL", database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("KODCODE_ARTIFACTS_URL", (tmp_path / "artifacts").as_uri())
    monkeypatch.setenv("KODCODE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr("tasks.drain.shard_task", handle_shard)  # Prefect is not needed
    with database.begin() as connection:
        copy_rows(connection, Question, [
            {"question_id": f"Leetcode_{number:08d}", "subset": "Leetcode", "number": number, "provider": "openai",
             "model": "m", "prompt_index": number, "seed_ids": [], "status": "accepted",
             "text": f"Write `shift_{number}(value: int) -> int`; it adds {number}."} for number in (4, 5)
        ])  # fmt: skip
        copy_rows(connection, Trial, [{"question_id": row.partition(":")[0], "attempt": 0} for row in TRIALS])


@pytest.fixture
def steady() -> Iterator[Teacher]:
    with teacher(0) as started:
        yield started


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What was exported, where somebody has set OpenTelemetry up."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry.telemetry.cache_clear()
    monkeypatch.setattr(telemetry, "tracer", lambda: provider.get_tracer("test"))
    yield exporter
    telemetry.telemetry.cache_clear()


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemoryMetricReader]:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr(telemetry, "_meters", lambda: provider)
    for cached in (telemetry.telemetry, telemetry.counted):
        cached.cache_clear()
    yield reader
    for cached in (telemetry.telemetry, telemetry.counted):
        cached.cache_clear()


def models(url: str) -> Models:
    return Models(
        provider="openai", teacher="m", base_url=url, base_model=None, reasoner="m", max_concurrency=4, prices=("0",)
    )


async def verify(database: Engine, url: str) -> None:
    async with recorded_run("verify", {}, None):
        asked = models(url)
        await work_through(STAGE, Work(models=asked), lambda: open_trials(database, ["Leetcode"], asked))


def below(spans: list[ReadableSpan], above: ReadableSpan | None) -> list[ReadableSpan]:
    wanted = above.context.span_id if above is not None and above.context is not None else None
    return [one for one in spans if (one.parent.span_id if one.parent else None) == wanted]


def test_a_run_has_its_stages_shards_calls_and_executions_below_it(
    database: Engine, steady: Teacher, spans: InMemorySpanExporter
) -> None:
    asyncio.run(verify(database, steady.url))
    found = list(spans.get_finished_spans())
    (run,) = below(found, None)
    (stage,) = below(found, run)
    (shard,) = below(found, stage)
    assert [one.name for one in (run, stage, shard)] == ["run", "stage", "shard"]
    with database.connect() as connection:
        stored = connection.execute(text("select run_id, traceparent from kodcode.runs")).one()
        shard_id = connection.scalar(text("select shard_id from kodcode.shards"))
        hashes = set(connection.scalars(text("select request_hash from kodcode.llm_calls")))
    assert run.attributes == {"kodcode.run_id": stored.run_id, "kodcode.flow": "verify"}
    assert shard.attributes is not None
    assert (shard.attributes["kodcode.shard_id"], shard.attributes["kodcode.accepted"]) == (shard_id, 2)
    calls = [one.attributes or {} for one in below(found, shard) if one.name == "chat m"]
    executions = [one.attributes or {} for one in below(found, shard) if one.name == "execute"]
    assert len(calls) + len(executions) == len(below(found, shard))
    assert {call["kodcode.request_hash"] for call in calls} == hashes
    assert {call["gen_ai.usage.output_tokens"] for call in calls} == {100}
    assert {execution["kodcode.job"] for execution in executions} == set(TRIALS)
    assert {execution["kodcode.verdict"] for execution in executions} == {"passed"}
    assert {one.status.status_code for one in found} == {StatusCode.UNSET}
    assert run.context is not None
    assert f"{run.context.trace_id:032x}-{run.context.span_id:016x}" in stored.traceparent


def test_spans_tell_what_failed_by_its_class_and_have_no_text_of_it(
    database: Engine, spans: InMemorySpanExporter
) -> None:
    server = FaultServer()
    server.always(error(401, f"no such key {KEY}"))
    try:
        with pytest.raises(ProviderMisconfigured):
            asyncio.run(verify(database, server.url))
    finally:
        server.close()
    found = spans.get_finished_spans()
    failed = {one.name: (one.attributes or {})["error.type"] for one in found}
    assert failed == dict.fromkeys(("run", "stage", "shard", "chat m"), "ProviderMisconfigured")
    assert {one.status.status_code for one in found} == {StatusCode.ERROR}
    told = "".join(one.to_json() for one in found)
    assert KEY not in told and "no such" not in told and "shift_" not in told


def test_a_worker_elsewhere_goes_on_in_the_trace_of_its_run(
    database: Engine, steady: Teacher, spans: InMemorySpanExporter
) -> None:
    async def main() -> None:
        async with recorded_run("verify", {}, None) as run:
            plan(database, run.run_id, STAGE, Work(models=models(steady.url)).model_dump(mode="json"), TRIALS, 2)
            drained = asyncio.create_task(drain_for(run.run_id))
            while not drained.done() and open_trials(database, ["Leetcode"], models(steady.url)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            stop_run(database, run.run_id, {"error": "Interrupted", "message": "enough"})
            await drained

    asyncio.run(asyncio.wait_for(main(), 120))
    found = list(spans.get_finished_spans())
    (run,) = below(found, None)
    (drain,) = below(found, run)
    (shard,) = below(found, drain)
    assert (drain.name, shard.name) == ("drain", "shard")


def test_rows_and_executions_are_counted(database: Engine, steady: Teacher, metrics: InMemoryMetricReader) -> None:
    asyncio.run(verify(database, steady.url))
    data = metrics.get_metrics_data()
    assert data is not None
    points = {
        metric.name: list(metric.data.data_points)
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
    }
    assert [(dict(one.attributes or {}), one.value) for one in points["kodcode.rows"]] == [  # type: ignore[union-attr]
        ({"kodcode.stage": "solve", "kodcode.status": "accepted"}, 2)
    ]
    assert [one.count for one in points["kodcode.execution.duration"]] == [2]  # type: ignore[union-attr]
    assert "gen_ai.client.token.usage" in points


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What was logged, as JSON lines have it."""
    said: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(self.format(record))

    handler = Kept()
    handler.setFormatter(JsonLines())
    before = logging.getLogRecordFactory()
    set_up_logs("human")
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in said]
    logging.getLogger().removeHandler(handler)
    logging.setLogRecordFactory(before)


def test_every_line_of_a_run_has_its_id_and_those_of_a_shard_have_that(
    database: Engine, steady: Teacher, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    asyncio.run(verify(database, steady.url))
    with database.connect() as connection:
        run_id = connection.scalar(text("select run_id from kodcode.runs"))
        shard_id = connection.scalar(text("select shard_id from kodcode.shards"))
    ours = [line for line in lines() if line["logger"].startswith("tasks.")]
    assert ours and {line["run_id"] for line in ours} == {run_id}
    done = next(line for line in ours if "is done" in line["message"])
    assert (done["shard_id"], done["stage"], done["level"]) == (shard_id, STAGE, "INFO")
    assert "shard_id" not in ours[-1] and "completed" in ours[-1]["message"]


def test_lines_are_one_each_whatever_is_said_and_hide_what_is_secret(
    lines: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KODCODE_DATABASE_URL", "postgresql://me:the-password@host/kodcode")
    log = logging.getLogger("prefect.any")
    with about(run_id="a", shard_id=1), about(shard_id=2):
        log.warning("two\nlines, %s and %s", KEY, "the-password", extra={"flow_run_id": "f"})
    try:
        raise ValueError(f"refused {KEY}")
    except ValueError:
        log.exception("it failed")
    said, failed = lines()
    assert said["message"] == "two\nlines, [hidden] and [hidden]"
    assert (said["run_id"], said["shard_id"], said["flow_run_id"]) == ("a", 2, "f")
    assert "ValueError: refused [hidden]" in failed["error"]
    assert "run_id" not in failed


def test_a_short_setting_hides_no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    assert without_secrets("any word") == "any word"


def test_a_command_writes_nothing_but_json_lines_to_standard_error(database: Engine) -> None:
    """And Prefect's own loggers, which are set up after ours, do the same."""
    program = (
        "import os; from flows.cli.context import note, settings_for; settings_for(None); note('one\\x1b[31m');"
        "import prefect, logging; logging.getLogger('prefect').warning('two')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"KODCODE_LOG": "json"}, capture_output=True, check=True
    )
    one, two = (json.loads(line) for line in done.stderr.splitlines())
    assert (one["level"], one["message"]) == ("INFO", "one\\x1b[31m")
    assert (two["logger"], two["message"]) == ("prefect", "two")


def test_records_of_threads_that_know_nothing_are_records_too() -> None:
    assert Record("n", logging.INFO, "p", 1, "said %s", ("so",), None).getMessage() == "said so"
