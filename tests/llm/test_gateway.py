"""The ledger on a real PostgreSQL: one call a request, stored before it is used, never paid twice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, text

from tasks.llm import (
    Answer,
    Completion,
    Gateway,
    LedgerError,
    Message,
    PriceTable,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderUnavailable,
    Request,
    UnknownPrice,
    Usage,
    stored_answer,
    stored_request,
)
from tasks.llm.openai_provider import OpenAIProvider
from tasks.llm.prices import FREE
from tasks.store import ArtifactStore, connect, open_artifacts, text_key
from tasks.store.schema import LlmCall
from tasks.work import Ending, ProviderDown, drain
from tests.llm.fault_server import FaultServer, answer_to, chat, error


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return open_artifacts((tmp_path / "artifacts").as_uri())


@pytest.fixture
def gateway(database: Engine, artifacts: ArtifactStore, server: FaultServer) -> Callable[..., Gateway]:
    def make(max_concurrency: int = 32, **options: Any) -> Gateway:
        provider = OpenAIProvider(server.url, **options)
        return Gateway(database, artifacts, provider, PriceTable.load(), "run-1", max_concurrency)

    return make


def request(text: str = "hello", attempt: int = 0, model: str = "gpt-4o") -> Request:
    return Request("openai", model, (Message("user", text),), attempt=attempt, stage="solve", subset="Leetcode")


def rows(database: Engine) -> list[LlmCall]:
    with database.connect() as connection:
        return list(connection.execute(select(LlmCall.__table__).order_by(LlmCall.created_at)).all())  # type: ignore[arg-type]


def leases(database: Engine) -> int:
    with database.connect() as connection:
        return int(connection.scalar(text("select count(*) from kodcode.llm_leases")) or 0)


async def ask_all(gateway: Gateway, *requests: Request) -> list[Answer]:
    async with gateway:
        return await asyncio.gather(*(gateway.ask(one) for one in requests))


def test_an_answer_is_in_the_ledger_with_all_that_was_asked_and_said(
    gateway: Callable[..., Gateway], database: Engine, artifacts: ArtifactStore, server: FaultServer
) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 600}}
    server.script(error(500, "oops"), chat("hi \x00\U0001f40d", usage=usage, reasoning_content="Hm."))
    [answer] = asyncio.run(ask_all(gateway(), request()))
    cost = Decimal("0.00275")  # 400 at 2.50, 600 at 1.25, 100 at 10.00 a million
    expected = Answer(request().hash, "hi \x00\U0001f40d", "Hm.", "stop", Usage(1000, 600, 100), float(cost), False)
    assert answer == expected
    [row] = rows(database)
    assert (row.provider, row.model, row.attempt) == ("openai", "gpt-4o", 0)
    assert (row.stage, row.subset) == ("solve", "Leetcode")
    assert (row.cost_usd, row.retries, row.run_id, row.provider_request_id) == (cost, 1, "run-1", "req-1")
    assert row.latency_s > 0
    assert row.prompt_key == request().hash
    assert stored_answer(database, artifacts, request().hash) == replace(expected, from_ledger=True)
    assert stored_request(database, artifacts, request().hash) == request().identity()


def test_what_the_ledger_does_not_know_is_none(database: Engine, artifacts: ArtifactStore) -> None:
    assert stored_answer(database, artifacts, "0" * 64) is None
    assert stored_request(database, artifacts, "0" * 64) is None


def test_fifty_asks_for_one_request_make_one_call(
    gateway: Callable[..., Gateway], database: Engine, server: FaultServer
) -> None:
    made = gateway()
    answers = asyncio.run(ask_all(made, *[request()] * 50))
    assert len(server.seen) == 1
    assert len({answer.text for answer in answers}) == 1
    assert [answer.from_ledger for answer in answers].count(False) == 1
    assert (made.progress.asked, made.progress.paid, made.progress.joined) == (50, 1, 49)
    assert len(rows(database)) == 1


def test_a_second_gateway_pays_nothing(
    gateway: Callable[..., Gateway], database: Engine, server: FaultServer
) -> None:
    requests = [request(f"question {number}") for number in range(120)]
    first = asyncio.run(ask_all(gateway(), *requests))
    made = gateway()
    second = asyncio.run(ask_all(made, *requests))
    assert second == [replace(answer, from_ledger=True) for answer in first]
    assert len(server.seen) == 120
    assert (made.progress.from_ledger, made.progress.paid, made.progress.cost_usd) == (120, 0, 0)


def test_attempts_at_one_prompt_are_separate_requests(gateway: Callable[..., Gateway], server: FaultServer) -> None:
    asyncio.run(ask_all(gateway(), *[request(attempt=number) for number in range(5)]))
    assert len(server.seen) == 5


def test_a_model_without_a_known_price_is_not_asked(
    gateway: Callable[..., Gateway], database: Engine, server: FaultServer
) -> None:
    with pytest.raises(UnknownPrice, match=r"--price no-such-model="):
        asyncio.run(ask_all(gateway(), request(model="no-such-model")))
    assert not server.seen
    assert not rows(database)


def test_a_price_that_is_given_is_charged(
    database: Engine, artifacts: ArtifactStore, server: FaultServer
) -> None:
    server.script(chat("hi", usage={"prompt_tokens": 1000, "completion_tokens": 100}))
    prices = PriceTable.load(given=["no-such-model=2:30"])
    made = Gateway(database, artifacts, OpenAIProvider(server.url), prices)
    [answer] = asyncio.run(ask_all(made, request(model="no-such-model")))
    assert answer.cost_usd == 0.005
    assert made.progress.cost_usd == rows(database)[0].cost_usd == Decimal("0.005")


def test_a_truncated_answer_is_stored_and_says_so(gateway: Callable[..., Gateway], server: FaultServer) -> None:
    server.script(chat("half an ans", "length"))
    first, second = asyncio.run(ask_all(gateway(), request()))[0], asyncio.run(ask_all(gateway(), request()))[0]
    assert first.truncated
    assert second.truncated
    assert len(server.seen) == 1


def test_a_filtered_answer_is_paid_once_and_refused_each_time(
    gateway: Callable[..., Gateway], database: Engine, server: FaultServer
) -> None:
    server.script(chat("I cannot", "content_filter"))
    for _ in range(2):
        with pytest.raises(ProviderRefused, match="I cannot"):
            asyncio.run(ask_all(gateway(), request()))
    assert (len(server.seen), len(rows(database))) == (1, 1)


def test_no_more_than_the_limit_is_in_flight(gateway: Callable[..., Gateway], server: FaultServer) -> None:
    made = gateway(max_concurrency=4)
    reached = threading.Event()
    server.hold()
    server.on_request = lambda count: reached.set() if count == 4 else None

    async def run() -> None:
        asks = asyncio.gather(*(made.ask(request(f"question {number}")) for number in range(20)))
        await asyncio.to_thread(reached.wait, 30)
        assert made.progress.in_flight == 4
        assert len(server.seen) == 4
        server.release()
        await asks
        await made.close()

    asyncio.run(run())
    assert (made.progress.in_flight, made.progress.paid) == (0, 20)


def test_a_wrong_key_stops_every_later_ask_at_once(
    gateway: Callable[..., Gateway], database: Engine, server: FaultServer
) -> None:
    asyncio.run(ask_all(gateway(), request("stored before")))
    server.always(error(401, "Incorrect API key"))
    made = gateway(max_concurrency=1)

    async def run() -> None:
        async with made:
            outcomes = await asyncio.gather(*(made.ask(request(f"{n}")) for n in range(20)), return_exceptions=True)
            assert all(isinstance(outcome, ProviderMisconfigured) for outcome in outcomes)
            with pytest.raises(ProviderMisconfigured, match="OPENAI_API_KEY"):
                await made.ask(request("stored before"))

    asyncio.run(run())
    assert len(server.seen) == 2
    assert made.progress.failed == 21


def test_a_failed_request_is_not_stored_and_may_be_asked_again(
    gateway: Callable[..., Gateway], database: Engine, server: FaultServer
) -> None:
    async def run() -> Answer:
        async with gateway() as made:
            server.script(*[error(500, "oops")] * 5)
            with pytest.raises(ProviderUnavailable):
                await made.ask(request())
            return await made.ask(request())

    assert asyncio.run(run()).text == answer_to("hello")
    assert len(rows(database)) == 1


def test_one_bad_request_does_not_fail_its_neighbours(
    gateway: Callable[..., Gateway], database: Engine, server: FaultServer
) -> None:
    async def run() -> list[Answer | BaseException]:
        async with gateway() as made:
            bad = request("bad", attempt=2**40)  # more than the column holds
            asks = [made.ask(request(f"{number}")) for number in range(10)]
            return await asyncio.gather(*asks, made.ask(bad), return_exceptions=True)

    *good, bad = asyncio.run(run())
    assert all(isinstance(answer, Answer) for answer in good)
    assert isinstance(bad, Exception)
    assert len(rows(database)) == 10


def test_two_workers_that_want_the_same_requests_make_one_call_each(
    gateway: Callable[..., Gateway], database: Engine, server: FaultServer
) -> None:
    reached = threading.Event()
    server.hold()
    server.on_request = lambda count: reached.set() if count == 20 else None
    requests = [request(f"question {number}") for number in range(20)]

    async def run() -> list[list[Answer]]:
        asks = asyncio.gather(*(ask_all(gateway(), *requests) for _ in range(2)))
        await asyncio.to_thread(reached.wait, 30)
        server.release()
        return await asks

    one, other = asyncio.run(run())
    assert set(server.counts.values()) == {1}
    assert [answer.text for answer in one] == [answer.text for answer in other]
    assert [a.from_ledger for a in one] == [not b.from_ledger for b in other]
    assert len(rows(database)) == 20
    assert leases(database) == 0


def test_a_worker_that_stopped_beating_is_succeeded_and_its_late_answer_changes_nothing(
    gateway: Callable[..., Gateway], database: Engine, server: FaultServer
) -> None:
    server.script(chat("late"))
    server.hold()
    reached = threading.Event()
    server.on_request = lambda count: reached.set()

    async def run() -> tuple[Answer, Answer]:
        async with gateway() as slow, gateway() as quick:
            first = asyncio.create_task(slow.ask(request()))
            await asyncio.to_thread(reached.wait, 30)
            with database.begin() as connection:
                connection.execute(text("update kodcode.llm_workers set expires_at = now() - interval '1 second'"))
            server.on_request = lambda count: server.release()
            # Its own row is renewed as any ask of a living worker would be by its next beat.
            second = await quick.ask(request())
            return await first, second

    late, second = asyncio.run(run())
    assert len(server.seen) == 2
    assert late.text == second.text
    assert len(rows(database)) == 1


def test_a_request_that_failed_leaves_no_lease(
    gateway: Callable[..., Gateway], database: Engine, server: FaultServer
) -> None:
    server.always(error(400, "too long"))
    with pytest.raises(ProviderRefused):
        asyncio.run(ask_all(gateway(), request()))
    assert leases(database) == 0


class Parrot:
    """A provider of one's own needs these four things."""

    name = "parrot"
    has_completions = False

    def __init__(self) -> None:
        self.answered = 0
        self.eight = asyncio.Event()

    async def complete(self, request: Request) -> Completion:
        self.answered += 1
        if self.answered == 8:
            self.eight.set()
        return Completion(request.messages[-1].content)

    async def close(self) -> None:
        pass


def test_any_provider_will_do(database: Engine, artifacts: ArtifactStore) -> None:
    asked = Request("parrot", "p", (Message("user", "hello"),))
    gateway = Gateway(database, artifacts, Parrot(), PriceTable({}, FREE))
    assert [answer.text for answer in asyncio.run(ask_all(gateway, asked))] == ["hello"]
    assert not gateway.has_completions


def test_what_was_answered_is_stored_though_nobody_waits_any_more(database: Engine, artifacts: ArtifactStore) -> None:
    """The askers are cancelled and the loop torn down while answers are being committed."""
    blocked, proceed = threading.Event(), threading.Event()

    @event.listens_for(database, "before_cursor_execute")
    def hold_inserts(
        connection: object, cursor: object, statement: str, parameters: object, context: object, many: bool
    ) -> None:
        if "insert into kodcode.llm_calls" in statement:
            blocked.set()
            proceed.wait(30)

    parrot = Parrot()
    made = Gateway(database, artifacts, parrot, PriceTable({}, FREE))

    async def run() -> None:
        asked = [Request("parrot", "p", (Message("user", f"{number}"),)) for number in range(8)]
        tasks = [asyncio.create_task(made.ask(one)) for one in asked]
        await asyncio.wait_for(parrot.eight.wait(), 30)
        await asyncio.to_thread(blocked.wait, 30)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())
    proceed.set()
    asyncio.run(made.close())
    assert len(rows(database)) == 8


async def give_up(*asks: asyncio.Task[Answer]) -> None:
    for ask in asks:
        ask.cancel()
    await asyncio.gather(*asks, return_exceptions=True)


async def held_call(made: Gateway, server: FaultServer) -> asyncio.Task[Answer]:
    """An ask whose call the server has and does not answer."""
    reached = threading.Event()
    server.hold()
    server.on_request = lambda count: reached.set()
    ask = asyncio.create_task(made.ask(request()))
    await asyncio.to_thread(reached.wait, 30)
    return ask


def test_a_call_in_flight_lands_though_all_who_asked_have_gone(
    gateway: Callable[..., Gateway], database: Engine, server: FaultServer
) -> None:
    async def run() -> Answer:
        async with gateway() as made:
            first = await held_call(made, server)
            await give_up(first, asyncio.create_task(made.ask(request())))
            assert made.progress.in_flight == 1
            joined = asyncio.create_task(made.ask(request()))
            await asyncio.sleep(0)
            server.release()
            return await joined

    assert asyncio.run(run()).text == answer_to("hello")
    assert len(server.seen) == len(rows(database)) == 1


def test_a_request_that_waits_for_its_turn_goes_with_its_asker(
    gateway: Callable[..., Gateway], database: Engine, server: FaultServer
) -> None:
    async def run() -> None:
        async with gateway(max_concurrency=1) as made:
            first = await held_call(made, server)
            leased = threading.Event()

            @event.listens_for(database, "after_cursor_execute")
            def tell(*call: Any) -> None:
                if "insert into kodcode.llm_leases" in call[2]:
                    leased.set()

            waits = asyncio.create_task(made.ask(request("waits")))
            await asyncio.to_thread(leased.wait, 30)
            await give_up(waits)
            server.release()
            await first

    asyncio.run(run())
    assert len(server.seen) == len(rows(database)) == 1
    assert leases(database) == 0


def test_a_request_that_is_given_up_while_it_is_claimed_is_free_for_another_worker(
    gateway: Callable[..., Gateway], database: Engine, server: FaultServer
) -> None:
    claimed, proceed = threading.Event(), threading.Event()

    @event.listens_for(database, "after_cursor_execute")
    def hold_claim(*call: Any) -> None:
        if "insert into kodcode.llm_leases" in call[2] and not claimed.is_set():
            claimed.set()
            proceed.wait(30)

    async def run() -> Answer:
        async with gateway() as made, gateway() as other, asyncio.timeout(30):
            gone = asyncio.create_task(made.ask(request()))
            await asyncio.to_thread(claimed.wait, 30)
            await give_up(gone)
            proceed.set()
            return await other.ask(request())

    assert asyncio.run(run()).text == answer_to("hello")
    assert len(server.seen) == 1
    assert leases(database) == 0


def test_a_call_that_fails_after_all_have_gone_is_not_tried_again(
    gateway: Callable[..., Gateway], database: Engine, server: FaultServer
) -> None:
    server.always(error(500, "oops"))

    async def run() -> None:
        async with gateway() as made:
            await give_up(await held_call(made, server))
            server.release()

    asyncio.run(run())
    assert len(server.seen) == 1
    assert leases(database) == 0


def test_a_call_that_outlasts_the_grace_is_given_up(
    gateway: Callable[..., Gateway], database: Engine, server: FaultServer
) -> None:
    async def run() -> None:
        made = gateway()
        await give_up(await held_call(made, server))
        await made.close(grace_s=0.01)

    asyncio.run(run())
    assert len(server.seen) == 1
    assert leases(database) == len(rows(database)) == 0


def test_a_provider_that_is_down_costs_no_call_in_flight(
    gateway: Callable[..., Gateway], database: Engine, server: FaultServer
) -> None:
    """The stage ends; what was sent before lands."""
    server.decide = lambda seen: None if seen.prompt == "hello" else error(500, "down", headers={"retry-after": "999"})

    async def run() -> None:
        async with gateway() as made:

            async def handle(row: str) -> Ending:
                await made.ask(request(row))
                return Ending("accepted")

            async def mark(row: str, ending: Ending) -> None:
                assert ending.status == "failed"

            server.hold("hello")
            with pytest.raises(ProviderDown):
                await drain(["hello", *map(str, range(10))], handle, mark, lambda: None, 2)
            server.release()

    asyncio.run(run())
    assert [row.request_hash for row in rows(database)] == [request().hash]
    assert leases(database) == 0


def test_a_connection_that_breaks_in_the_commit_loses_no_answer(
    gateway: Callable[..., Gateway], database: Engine, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.llm.ledger._RETRY_DELAYS_S", (0.01, 0.01))
    broken = []

    @event.listens_for(database, "before_cursor_execute")
    def cut(
        connection: object, cursor: Any, statement: str, parameters: object, context: object, many: bool
    ) -> None:
        if "insert into kodcode.llm_calls" in statement and len(broken) < 2:
            broken.append(cursor.connection.info.backend_pid)
            with postgres.admin.connect() as admin:
                admin.execute(text("select pg_terminate_backend(:pid, 10000)"), {"pid": broken[-1]})

    answers = asyncio.run(ask_all(gateway(), *(request(f"question {number}") for number in range(10))))
    assert len(broken) == 2
    assert len(rows(database)) == len(answers) == 10


def test_a_database_that_is_gone_is_said_to_be_gone(
    artifacts: ArtifactStore, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.llm.ledger._RETRY_DELAYS_S", (0.01,))
    engine = connect("postgresql://nobody:secret-password@127.0.0.1:1/none")

    async def run() -> None:
        async with Gateway(engine, artifacts, OpenAIProvider(server.url), PriceTable.load()) as made:
            with pytest.raises(LedgerError, match="does not answer") as caught:
                await made.ask(request())
            assert "secret-password" not in str(caught.value)

    asyncio.run(run())
    assert not server.seen


def test_a_request_for_another_provider_is_a_mistake(gateway: Callable[..., Gateway]) -> None:
    with pytest.raises(ValueError, match="'openai'"):
        asyncio.run(ask_all(gateway(), replace(request(), provider="anthropic")))


def test_large_answers_come_back_whole(
    gateway: Callable[..., Gateway], database: Engine, artifacts: ArtifactStore, server: FaultServer
) -> None:
    import random

    long = "".join(random.Random(7).choices("abcdefghij\n\u00e9", k=700_000))
    server.script(chat(long))
    asyncio.run(ask_all(gateway(), request()))
    stored = stored_answer(database, artifacts, request().hash)
    assert stored is not None
    assert stored.text == long
    with database.connect() as connection:
        assert artifacts.get_text(connection, text_key(long)) == long
