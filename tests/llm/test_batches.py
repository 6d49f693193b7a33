"""The batch lane against both batch APIs: paid once at half price, nothing lost, only what is missing goes again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from sqlalchemy import Engine, text

from tasks.llm import (
    Answer,
    BatchPolicy,
    BatchUnanswered,
    BatchUnsupported,
    Budget,
    BudgetReached,
    Gateway,
    Message,
    PriceTable,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderUnavailable,
    Request,
    Sampling,
    make_provider,
)
from tasks.llm.telemetry import METER, Telemetry
from tasks.store import ArtifactStore
from tests.llm.batch_server import (
    ANSWERED,
    EMPTY,
    ERROR,
    EXPIRED,
    MISSING,
    MODELS,
    REFUSED,
    SLOW,
    TRUNCATED,
    BatchServer,
    batch_server,
)
from tests.llm.fault_server import CHAT, MESSAGES, Reply, answer_to, error
from tests.llm.test_telemetry import recorded

# Times of tests; nothing is decided by how long they are.
QUICK = BatchPolicy(
    mode="batch", least=5, gather_s=0.25, longest_gather_s=2.0, first_poll_s=0.01, longest_poll_s=0.03,
    first_retry_s=0.01, longest_retry_s=0.02, look_s=0.1, settle_s=0.0,
)  # fmt: skip
AUTO = replace(QUICK, mode="auto")


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with batch_server() as running:
        yield running


# What may differ most between the two is shown of both by default.
both = pytest.mark.parametrize("protocol", MODELS)


@pytest.fixture(params=["openai", pytest.param("anthropic", marks=pytest.mark.slow)])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def gateway(database: Engine, artifacts: ArtifactStore, server: BatchServer) -> Callable[..., Gateway]:
    def make(
        protocol: str,
        policy: BatchPolicy = QUICK,
        budget: Sequence[str] = (),
        prices: Sequence[str] = (),
        run_id: str = "run-1",
        telemetry: Telemetry | None = None,
        **limits: int,
    ) -> Gateway:
        provider: Any = make_provider(protocol, server.url if protocol == "openai" else server.origin)
        for name, limit in limits.items():
            setattr(provider.batches, name, limit)
        caps = Budget.parse(budget)
        table = PriceTable.load(given=prices)
        return Gateway(database, artifacts, provider, table, run_id, 16, caps, policy, telemetry)

    return make


def requests(protocol: str, count: int, **changes: Any) -> list[Request]:
    return [
        Request(protocol, changes.get("model", MODELS[protocol]), (Message("user", f"question {number}"),),
                sampling=Sampling(max_tokens=30), subset="Leetcode")
        for number in range(count)
    ]  # fmt: skip


async def ask_all(gateway: Gateway, asked: list[Request]) -> list[Any]:
    """Answers, and errors in their places; a request that nobody ever answers is an error of the test."""
    async with gateway, asyncio.timeout(60):
        return await asyncio.gather(*(gateway.ask(one) for one in asked), return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what other threads and workers bring about."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 (the server's thread has no events of this loop)
            await asyncio.sleep(0.01)


def rows(database: Engine, query: str) -> list[Any]:
    with database.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def online(server: BatchServer) -> int:
    return sum(seen.path in (CHAT, MESSAGES) for seen in server.seen)


def assert_all_answered_once(server: BatchServer, outcomes: list[Any]) -> None:
    assert [outcome for outcome in outcomes if not isinstance(outcome, Answer)] == []
    assert [outcome.text for outcome in outcomes] == [answer_to(f"question {n}") for n in range(len(outcomes))]
    assert set(server.paid.values()) == {1}


@both
def test_a_batch_costs_half_and_is_in_the_ledger_like_any_answer(
    gateway: Callable[..., Gateway], database: Engine, server: BatchServer, protocol: str
) -> None:
    made = gateway(protocol)
    asked = requests(protocol, 30)
    outcomes = asyncio.run(ask_all(made, asked))
    assert_all_answered_once(server, outcomes)
    assert (len(server.batches), online(server)) == (1, 0)
    full = Decimal(7) * (Decimal("2.5") if protocol == "openai" else 1) + Decimal(3) * (
        10 if protocol == "openai" else 5
    )
    half = (full / 2 / 1_000_000).quantize(Decimal("0.00000001"))
    assert rows(database, "select distinct cost_usd, finish_reason, run_id from kodcode.llm_calls") == [
        (half, "stop", "run-1")
    ]
    assert (made.progress.paid, made.progress.cost_usd) == (30, 30 * half)
    assert rows(database, "select spent_usd from kodcode.llm_spending where scope = 'run:run-1'") == [(30 * half,)]
    [batch] = rows(database, "select status, model, provider_batch_id, problem from kodcode.llm_batches")
    assert batch == ("collected", MODELS[protocol], "batch_0", None)
    assert rows(database, "select status, count(*) from kodcode.llm_batch_requests group by 1") == [("answered", 30)]
    assert rows(database, "select * from kodcode.llm_leases") == []

    again = asyncio.run(ask_all(gateway(protocol), asked))
    assert again == [replace(answer, from_ledger=True) for answer in outcomes]
    assert len(server.batches) == 1


def test_tokens_and_dollars_of_batches_are_measured_and_their_hours_are_not(
    gateway: Callable[..., Gateway], server: BatchServer, protocol: str
) -> None:
    reader = InMemoryMetricReader()
    made = gateway(protocol, telemetry=Telemetry(MeterProvider([reader]).get_meter(METER)))
    asyncio.run(ask_all(made, requests(protocol, 6)))
    found = recorded(reader)
    tokens = {point.attributes["gen_ai.token.type"]: point.count for point in found["gen_ai.client.token.usage"]}
    assert tokens == dict.fromkeys(("input", "cached_input", "output", "reasoning"), 6)
    [cost] = found["kodcode.llm.cost"]
    assert cost.value == pytest.approx(float(made.progress.cost_usd))
    assert made.progress.cost_usd > 0
    assert "gen_ai.client.operation.duration" not in found


@both
def test_lines_that_are_reordered_repeated_foreign_or_no_json_change_nothing(
    gateway: Callable[..., Gateway], database: Engine, server: BatchServer, protocol: str
) -> None:
    def mangle(lines: list[str]) -> list[str]:
        lines = [*lines, *lines[:5], '{"custom_id": "somebody-else"}', "[]", '{"custom_id": "' + "a" * 20, ""]
        random.Random(3).shuffle(lines)
        return lines

    server.mangle = mangle
    outcomes = asyncio.run(ask_all(gateway(protocol), requests(protocol, 20)))
    assert_all_answered_once(server, outcomes)
    assert len(server.batches) == 1
    assert rows(database, "select problem from kodcode.llm_batches") == [
        ("1 lines for requests of no such batch, 2 malformed lines, 5 repeated lines",)
    ]


@pytest.mark.parametrize(
    ("protocol", "fate"),
    [*(("openai", fate) for fate in (ERROR, EXPIRED, MISSING, EMPTY)), ("anthropic", ERROR), ("anthropic", EXPIRED)],
)
def test_what_a_batch_answered_is_kept_and_only_the_rest_goes_again(
    gateway: Callable[..., Gateway], database: Engine, server: BatchServer, protocol: str, fate: str
) -> None:
    server.fate = lambda batch, line: fate if batch == 0 and line % 2 else ANSWERED
    server.status = lambda batch: "expired" if batch == 0 and fate == EXPIRED else "completed"
    outcomes = asyncio.run(ask_all(gateway(protocol), requests(protocol, 20)))
    assert_all_answered_once(server, outcomes)
    assert [len(held.entries) for held in server.batches.values()] == [20, 10]
    ended = {ERROR: "failed", EXPIRED: "expired", MISSING: "missing", EMPTY: "failed"}[fate]
    assert rows(database, "select status, count(*) from kodcode.llm_batch_requests group by 1 order by 1") == [
        ("answered", 20), (ended, 10),
    ]  # fmt: skip
    assert rows(database, "select status from kodcode.llm_batches order by created_at") == [
        ("expired" if fate == EXPIRED else "collected",), ("collected",),
    ]  # fmt: skip


def test_what_no_batch_answers_stays_retryable_or_is_asked_online(
    gateway: Callable[..., Gateway], database: Engine, server: BatchServer, protocol: str
) -> None:
    server.fate = lambda batch, line: ERROR if line == 0 else ANSWERED
    outcomes = asyncio.run(ask_all(gateway(protocol), requests(protocol, 10)))
    # The second batch holds one request only: its first.
    [failed] = [outcome for outcome in outcomes if not isinstance(outcome, Answer)]
    assert isinstance(failed, BatchUnanswered)
    assert "2 batches ended without an answer" in str(failed)
    assert (len(server.batches), online(server)) == (2, 0)

    server.fate = lambda batch, line: ERROR
    other = [replace(one, attempt=1) for one in requests(protocol, 10)]
    outcomes = asyncio.run(ask_all(gateway(protocol, AUTO), other))
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    assert (len(server.batches), online(server)) == (4, 10)
    online_cost, batch_cost = rows(database, "select max(cost_usd), min(cost_usd) from kodcode.llm_calls")[0]
    assert online_cost == 2 * batch_cost


@both
def test_refused_and_truncated_answers_are_told_as_they_are_online(
    gateway: Callable[..., Gateway], database: Engine, server: BatchServer, protocol: str
) -> None:
    server.fate = lambda batch, line: {0: REFUSED, 1: TRUNCATED}.get(line, ANSWERED)
    outcomes = asyncio.run(ask_all(gateway(protocol), requests(protocol, 5)))
    refused = [outcome for outcome in outcomes if isinstance(outcome, ProviderRefused)]
    answers = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
    assert (len(refused), len(answers), sum(answer.truncated for answer in answers)) == (1, 4, 1)
    assert "a refused request" in str(refused[0])
    assert len(server.batches) == 1
    assert rows(database, "select status, count(*) from kodcode.llm_batch_requests group by 1 order by 1") == [
        ("answered", 4), ("refused", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(("count", "batches"), [(4, 0), (5, 1)])
def test_auto_batches_what_is_many_and_asks_few_online(
    gateway: Callable[..., Gateway], server: BatchServer, protocol: str, count: int, batches: int
) -> None:
    outcomes = asyncio.run(ask_all(gateway(protocol, AUTO), requests(protocol, count)))
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    assert (len(server.batches), online(server)) == (batches, 0 if batches else count)


@both
def test_stragglers_of_a_slow_batch_are_asked_online_and_the_rest_is_kept(
    gateway: Callable[..., Gateway], server: BatchServer, protocol: str
) -> None:
    server.fate = lambda batch, line: SLOW if line < 3 else ANSWERED
    outcomes = asyncio.run(ask_all(gateway(protocol, replace(AUTO, wait_s=0.1)), requests(protocol, 10)))
    assert_all_answered_once_somewhere(server, outcomes)
    assert (len(server.batches), server.steps["cancel"], online(server)) == (1, 1, 3)


@pytest.mark.parametrize("status", [400, 409, 500])
def test_a_batch_that_ends_before_it_is_cancelled_is_collected_all_the_same(
    gateway: Callable[..., Gateway], database: Engine, server: BatchServer, protocol: str, status: int
) -> None:
    server.polls = 3
    server.fail("cancel", *[error(status, "Cannot cancel a batch that has ended.")] * 1000)
    outcomes = asyncio.run(ask_all(gateway(protocol, replace(AUTO, wait_s=0.0)), requests(protocol, 8)))
    assert_all_answered_once(server, outcomes)
    assert 1 <= server.steps["cancel"] < server.steps["poll"]
    assert rows(database, "select fence from kodcode.llm_batches") == [(1,)]  # never given up
    assert (len(server.batches), online(server)) == (1, 0)


def assert_all_answered_once_somewhere(server: BatchServer, outcomes: list[Any]) -> None:
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    assert sum(server.paid.values()) + online(server) == len(outcomes)


@pytest.mark.parametrize(
    ("protocol", "step"),
    [*(("openai", step) for step in ("upload", "submit", "poll", "download")), ("anthropic", "submit")],
)
def test_failures_of_the_batch_endpoints_are_tried_again(
    gateway: Callable[..., Gateway], server: BatchServer, protocol: str, step: str
) -> None:
    server.fail(step, error(429, "busy"), error(500, "broken", headers={}), Reply(200, "no json"))
    outcomes = asyncio.run(ask_all(gateway(protocol), requests(protocol, 8)))
    assert_all_answered_once(server, outcomes)
    assert server.steps[step] >= 4
    assert len(server.batches) == 1


@pytest.mark.parametrize(
    ("protocol", "lost"),
    [
        ("openai", Reply(500, "oops")),
        ("openai", Reply(200, {"id": "x"}, cut_after=5)),
        ("anthropic", Reply(500, "oops")),
    ],
    ids=["openai-500", "openai-reset", "anthropic-500"],
)
def test_a_submission_whose_reply_was_lost_is_found_again_not_repeated(
    gateway: Callable[..., Gateway], server: BatchServer, protocol: str, lost: Reply
) -> None:
    asyncio.run(ask_all(gateway(protocol), requests(protocol, 3)))  # others that are there already
    server.fail("submit", lost, performed=True)
    outcomes = asyncio.run(ask_all(gateway(protocol), [replace(one, attempt=1) for one in requests(protocol, 8)]))
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    assert server.steps["submit"] == len(server.batches) == 2
    assert server.steps["list"] >= 1


def test_a_submission_without_a_reply_has_time_to_arrive_before_it_is_looked_for(
    gateway: Callable[..., Gateway], server: BatchServer
) -> None:
    came: dict[str, float] = {}
    server.on_request = lambda count: came.setdefault(
        f"{server.seen[-1].method} {server.seen[-1].path.partition('?')[0]}", time.monotonic()
    )  # type: ignore[assignment]
    server.fail("submit", Reply(500, "oops"), performed=True)
    outcomes = asyncio.run(ask_all(gateway("openai", replace(QUICK, settle_s=0.5)), requests("openai", 3)))
    assert_all_answered_once(server, outcomes)
    assert came["GET /v1/batches"] - came["POST /v1/batches"] >= 0.5


def test_requests_that_still_gather_go_with_their_askers(
    gateway: Callable[..., Gateway], database: Engine, server: BatchServer
) -> None:
    """Ctrl-C before a batch is closed: nothing was sent, and nothing is held."""

    async def run(*, cancelled: bool) -> None:
        made = gateway("openai", replace(QUICK, gather_s=60.0, longest_gather_s=60.0))
        tasks = [asyncio.create_task(made.ask(one)) for one in requests("openai", 6)]
        await until(lambda: made.progress.in_batches == len(tasks))
        for task in tasks if cancelled else ():
            task.cancel()
        await asyncio.gather(*tasks if cancelled else (), return_exceptions=True)
        assert made.progress.in_batches == (0 if cancelled else len(tasks))
        await made.close(grace_s=30)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {asyncio.CancelledError}

    for cancelled in (True, False):
        asyncio.run(run(cancelled=cancelled))
        assert rows(database, "select * from kodcode.llm_leases") == []
    assert not server.steps
    assert rows(database, "select * from kodcode.llm_batches") == []


def test_a_server_without_batches_is_said_to_have_none(
    gateway: Callable[..., Gateway], server: BatchServer, protocol: str
) -> None:
    server.supported = False
    outcomes = asyncio.run(ask_all(gateway(protocol), requests(protocol, 6)))
    assert {type(outcome) for outcome in outcomes} == {BatchUnsupported}
    assert "has no batch API. Ask with --mode online" in str(outcomes[0])
    outcomes = asyncio.run(ask_all(gateway(protocol, AUTO), requests(protocol, 6)))
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    assert online(server) == 6


def test_a_provider_without_batches_is_refused_when_they_are_asked_for(
    database: Engine, artifacts: ArtifactStore
) -> None:
    with pytest.raises(BatchUnsupported, match="'offline' has no batch API"):
        Gateway(database, artifacts, make_provider("offline"), PriceTable.load(), batching=QUICK)


def test_a_batch_that_fails_for_good_stops_the_run_and_one_without_room_goes_again_in_parts(
    gateway: Callable[..., Gateway], database: Engine, server: BatchServer
) -> None:
    server.status = lambda batch: "failed"
    server.error = {"code": "model_not_found", "message": "The model does not exist.", "line": 1}
    outcomes = asyncio.run(ask_all(gateway("openai"), requests("openai", 6)))
    assert {type(outcome) for outcome in outcomes} == {ProviderMisconfigured}
    assert "The model does not exist." in str(outcomes[0])
    assert rows(database, "select count(*) from kodcode.llm_leases") == [(0,)]

    server.status = lambda batch: "failed" if batch < 2 else "completed"
    server.error = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached."}
    outcomes = asyncio.run(ask_all(gateway("openai"), requests("openai", 6)))
    assert_all_answered_once(server, outcomes)
    assert [len(held.entries) for held in server.batches.values()] == [6, 6, 3, 3]


def test_a_batch_is_no_larger_than_the_provider_takes(
    gateway: Callable[..., Gateway], server: BatchServer, protocol: str
) -> None:
    outcomes = asyncio.run(ask_all(gateway(protocol, most_requests=4), requests(protocol, 10)))
    assert_all_answered_once(server, outcomes)
    assert sorted(len(held.entries) for held in server.batches.values()) == [2, 4, 4]

    asyncio.run(
        ask_all(gateway(protocol, most_bytes=1000), [replace(one, attempt=1) for one in requests(protocol, 10)])
    )
    assert len(server.batches) > 4
    assert all(sum(len(str(entry)) for entry in held.entries) < 1200 for held in server.batches.values())


def test_a_cap_holds_for_batches_whose_cost_is_reserved_before_they_are_sent(
    gateway: Callable[..., Gateway], database: Engine, server: BatchServer, protocol: str
) -> None:
    """At $100 and $1,000 a million, an answer costs 0.37 cents and at most 4 or 5 are reserved for it."""
    made = gateway(protocol, budget=["0.12"], prices=[f"{MODELS[protocol]}=100:1000"])
    outcomes = asyncio.run(ask_all(made, requests(protocol, 40)))
    reached = [outcome for outcome in outcomes if isinstance(outcome, BudgetReached)]
    answers = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
    assert len(reached) + len(answers) == 40
    assert reached
    [(spent,)] = rows(database, "select sum(cost_usd) from kodcode.llm_calls")
    assert Decimal("0.07") < spent <= Decimal("0.12")
    assert sum(server.paid.values()) == len(answers)
    assert len(server.batches) > 1  # room came back when a batch was collected
    assert rows(database, "select * from kodcode.llm_leases") == []


def test_two_workers_that_want_the_same_requests_pay_for_one_batch(
    gateway: Callable[..., Gateway], server: BatchServer, protocol: str
) -> None:
    async def run() -> list[list[Any]]:
        asked = requests(protocol, 20)
        return await asyncio.gather(*(ask_all(gateway(protocol), asked) for _ in range(2)))

    one, other = asyncio.run(run())
    assert [answer.text for answer in one] == [answer.text for answer in other]
    assert set(server.paid.values()) == {1}
    assert sum(server.paid.values()) == 20


def test_a_batch_of_a_worker_taken_for_dead_is_collected_by_another_and_only_once(
    gateway: Callable[..., Gateway], database: Engine, server: BatchServer, protocol: str
) -> None:
    server.polls = 10**9
    asked = requests(protocol, 8)

    async def run() -> tuple[list[Any], list[Any]]:
        async with gateway(protocol) as slow, gateway(protocol) as quick:
            first = [asyncio.create_task(slow.ask(one)) for one in asked]
            await until(lambda: server.steps["poll"] > 0)
            with database.begin() as connection:
                connection.execute(text("update kodcode.llm_workers set expires_at = now() - interval '1 second'"))
            second = [asyncio.create_task(quick.ask(one)) for one in asked]
            await until(lambda: rows(database, "select fence from kodcode.llm_batches") == [(2,)])
            server.polls = 0
            return await asyncio.gather(*first), await asyncio.gather(*second)

    first, second = asyncio.run(run())
    assert_all_answered_once(server, first)
    assert [answer.text for answer in first] == [answer.text for answer in second]
    assert len(server.batches) == 1
    assert rows(database, "select count(*) from kodcode.llm_calls") == [(8,)]
    assert rows(database, "select status from kodcode.llm_batches") == [("collected",)]


async def leave_open(gateway: Gateway, server: BatchServer, asked: list[Request]) -> None:
    """Submit a batch and go away."""
    server.polls = 10**9
    tasks = [asyncio.create_task(gateway.ask(one)) for one in asked]
    await until(lambda: server.steps["poll"] > 0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await gateway.close()


@both
def test_an_online_run_collects_the_batch_that_another_left_and_its_money_counts_there(
    gateway: Callable[..., Gateway], database: Engine, server: BatchServer, protocol: str
) -> None:
    asked = requests(protocol, 8)
    asyncio.run(leave_open(gateway(protocol, run_id="run-1"), server, asked))
    assert rows(database, "select count(*) from kodcode.llm_leases") == [(8,)]
    server.polls = 0
    outcomes = asyncio.run(ask_all(gateway(protocol, BatchPolicy(first_poll_s=0.01), run_id="run-2"), asked))
    assert_all_answered_once(server, outcomes)
    assert online(server) == 0
    assert rows(database, "select distinct run_id from kodcode.llm_calls") == [("run-1",)]
    assert rows(database, "select count(*) from kodcode.llm_spending where scope like 'run:run-2%'") == [(0,)]


def test_a_batch_that_cannot_be_seen_any_more_is_not_paid_again(
    gateway: Callable[..., Gateway], database: Engine, server: BatchServer, protocol: str
) -> None:
    asked = requests(protocol, 6)
    asyncio.run(leave_open(gateway(protocol), server, asked))
    server.batches.clear()
    outcomes = asyncio.run(ask_all(gateway(protocol), asked))
    assert {type(outcome) for outcome in outcomes} == {ProviderMisconfigured}
    assert "does not know the batch batch_0" in str(outcomes[0])
    assert server.steps["submit"] == 1
    # As the message says.
    with database.begin() as connection:
        connection.execute(text("update kodcode.llm_batches set status = 'failed'"))
    server.polls = 0
    outcomes = asyncio.run(ask_all(gateway(protocol), asked))
    assert all(isinstance(outcome, Answer) for outcome in outcomes)


def test_a_batch_at_another_address_is_pointed_out_instead_of_waited_for(
    gateway: Callable[..., Gateway], database: Engine, artifacts: ArtifactStore, server: BatchServer
) -> None:
    asked = requests("openai", 6)
    asyncio.run(leave_open(gateway("openai"), server, asked))
    elsewhere = Gateway(
        database, artifacts, make_provider("openai", server.url + "/proxy"), PriceTable.load(), "run-2"
    )
    outcomes = asyncio.run(ask_all(elsewhere, asked))
    assert {type(outcome) for outcome in outcomes} == {ProviderMisconfigured}
    assert f"left at {server.url};" in str(outcomes[0])


def test_a_provider_that_is_down_too_long_leaves_the_batch_to_the_next_run(
    gateway: Callable[..., Gateway], database: Engine, server: BatchServer, protocol: str
) -> None:
    asked = requests(protocol, 6)
    server.fail("download", *[error(500, "down")] * 1000)
    outcomes = asyncio.run(ask_all(gateway(protocol, replace(QUICK, patience_s=0.2)), asked))
    assert {type(outcome) for outcome in outcomes} == {ProviderUnavailable}
    assert rows(database, "select status from kodcode.llm_batches") == [("submitted",)]
    server.heal()
    assert_all_answered_once(server, asyncio.run(ask_all(gateway(protocol), asked)))
    assert len(server.batches) == 1
