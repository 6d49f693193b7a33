"""What the gateway costs a request beside the SDKs it stands on, and whether its memory stays flat."""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import httpx2
import openai
import psutil
import pytest
from sqlalchemy import Engine

from tasks.llm import Gateway, Message, PriceTable, Request
from tasks.llm.openai_provider import OpenAIProvider
from tasks.store import ArtifactStore
from tests.benchmarks.measure import cpu_s

SERVER = Path(__file__).with_name("instant_server.py")
MODEL, PROMPT = "gpt-4o", "x" * 1200
ROUNDS = 3
_numbers = itertools.count()
One = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Cost:
    """Of one drive: requests a second; CPU milliseconds a request of this process, and of PostgreSQL."""

    rate: float
    cpu_ms: float
    database_ms: float


@dataclass(frozen=True)
class Server:
    url: str
    process: psutil.Process

    def cpu_s(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system


@contextmanager
def instant_server(delay_s: float) -> Iterator[Server]:
    process = subprocess.Popen([sys.executable, str(SERVER), str(delay_s)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    port = int(process.stdout.readline())
    yield Server(f"http://127.0.0.1:{port}/v1", psutil.Process(process.pid))
    process.stdin.close()
    process.wait()


async def drive(server: Server, count: int, in_flight: int, one: One) -> Cost:
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await one()

    wall, own, all_s, its = time.perf_counter(), time.process_time(), cpu_s(), server.cpu_s()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    wall, own = time.perf_counter() - wall, time.process_time() - own
    rest = cpu_s() - all_s - own - (server.cpu_s() - its)
    return Cost(count / wall, own / count * 1000, max(rest, 0.0) / count * 1000)


async def bare(server: Server, count: int, in_flight: int) -> Cost:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one() -> object:
            body = {"model": MODEL, "messages": [{"role": "user", "content": f"{PROMPT}{next(_numbers)}"}]}
            async with session.post(f"{server.url}/chat/completions", json=body) as reply:
                return json.loads(await reply.read())["choices"][0]["message"]["content"]

        return await drive(server, count, in_flight, one)


async def sdk(server: Server, count: int, in_flight: int, make: Callable[..., httpx2.AsyncClient]) -> Cost:
    limits = httpx2.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    client = openai.AsyncOpenAI(  # its own five seconds for a connection are too few where the machine is busy
        api_key="none", base_url=server.url, http_client=make(limits=limits), max_retries=0, timeout=600
    )

    async def one() -> object:
        messages = [{"role": "user", "content": f"{PROMPT}{next(_numbers)}"}]
        reply = await client.chat.completions.create(model=MODEL, messages=messages)  # type: ignore[arg-type]
        return reply.choices[0].message.content

    async with client:
        return await drive(server, count, in_flight, one)


async def ours(server: Server, count: int, in_flight: int, database: Engine, artifacts: ArtifactStore) -> Cost:
    async with Gateway(database, artifacts, OpenAIProvider(server.url), PriceTable.load(), None, in_flight) as gateway:

        async def one() -> object:
            message = Message("user", f"{PROMPT}{next(_numbers)}")
            return (await gateway.ask(Request("openai", MODEL, (message,)))).text

        return await drive(server, count, in_flight, one)


@pytest.mark.benchmark
@pytest.mark.parametrize("in_flight", [100, 500, 1000])
@pytest.mark.parametrize("delay_s", [0.0, 0.2])
def test_requests_a_second_and_cpu_of_a_request(
    delay_s: float, in_flight: int, database: Engine, artifacts: ArtifactStore
) -> None:
    """Medians of rounds in which the variants take turns, so that a busy machine is busy for all of them.

    Goals: with the ledger on 85 % of the SDK on its aiohttp transport, and at 200 ms six times its default.
    """
    count = max(1000, 2 * in_flight)
    found: dict[str, list[Cost]] = {"bare aiohttp": [], "SDK, default": [], "SDK, aiohttp": [], "gateway": []}
    with instant_server(delay_s) as server:
        for number in range(ROUNDS):
            found["bare aiohttp"].append(asyncio.run(bare(server, count, in_flight)))
            if not number:  # it takes as long as all others together
                found["SDK, default"].append(
                    asyncio.run(sdk(server, in_flight, in_flight, openai.DefaultAsyncHttpxClient))
                )
            found["SDK, aiohttp"].append(asyncio.run(sdk(server, count, in_flight, openai.DefaultAioHttpClient)))
            found["gateway"].append(asyncio.run(ours(server, count, in_flight, database, artifacts)))
    rate = {name: statistics.median(cost.rate for cost in costs) for name, costs in found.items()}
    cpu_ms = {name: statistics.median(cost.cpu_ms for cost in costs) for name, costs in found.items()}
    for name in found:
        print(f"{delay_s * 1000:3.0f} ms {in_flight:5} {name:13} {rate[name]:6.0f}/s {cpu_ms[name]:6.2f} ms CPU")
    in_database = statistics.median(cost.database_ms for cost in found["gateway"])
    by_rate, by_cpu = rate["gateway"] / rate["SDK, aiohttp"], cpu_ms["SDK, aiohttp"] / cpu_ms["gateway"]
    default = cpu_ms["SDK, default"] / cpu_ms["gateway"]
    print(f"PostgreSQL {in_database:.2f} ms; gateway : SDK on aiohttp {by_rate:.2f} by rate, {by_cpu:.2f} by CPU; "
          f": default {default:.1f} by CPU")  # fmt: skip
    assert by_cpu >= 0.85
    if in_flight >= 500:  # with fewer connections the default's pool does not cost so much
        assert default >= 6


@pytest.mark.benchmark
def test_memory_over_twenty_thousand_requests(database: Engine, artifacts: ArtifactStore) -> None:
    process = psutil.Process()
    sizes = []
    with instant_server(0.0) as server:

        async def run() -> None:
            provider = OpenAIProvider(server.url)
            async with Gateway(database, artifacts, provider, PriceTable.load(), None, 200) as gateway:

                async def one() -> object:
                    return await gateway.ask(Request("openai", MODEL, (Message("user", f"{next(_numbers)}"),)))

                for _ in range(5):
                    await drive(server, 4000, 200, one)
                    sizes.append(process.memory_info().rss / 1e6)

        asyncio.run(run())
    print("MB resident after each 4,000 requests:", ", ".join(f"{size:.0f}" for size in sizes))
    assert sizes[-1] < 1.15 * sizes[0]
