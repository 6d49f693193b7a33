"""What the gateway costs a request beside the SDKs it stands on, and whether its memory stays flat."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
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

SERVER = Path(__file__).with_name("instant_server.py")
MODEL, PROMPT = "gpt-4o", "x" * 1200
One = Callable[[int], Awaitable[object]]


@contextmanager
def instant_server(delay_s: float) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, str(SERVER), str(delay_s)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    process.stdin.close()
    process.wait()


async def drive(count: int, in_flight: int, one: One) -> tuple[float, float]:
    """Requests a second, and CPU milliseconds of this process a request."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await one(number)

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    return count / (time.perf_counter() - wall), (time.process_time() - cpu) / count * 1000


async def bare(url: str, count: int, in_flight: int) -> tuple[float, float]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(number: int) -> object:
            body = {"model": MODEL, "messages": [{"role": "user", "content": f"{PROMPT}{number}"}]}
            async with session.post(f"{url}/chat/completions", json=body) as reply:
                return json.loads(await reply.read())["choices"][0]["message"]["content"]

        return await drive(count, in_flight, one)


async def sdk(url: str, count: int, in_flight: int, make: Callable[..., httpx2.AsyncClient]) -> tuple[float, float]:
    limits = httpx2.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    client = openai.AsyncOpenAI(api_key="none", base_url=url, http_client=make(limits=limits), max_retries=0)

    async def one(number: int) -> object:
        messages = [{"role": "user", "content": f"{PROMPT}{number}"}]
        reply = await client.chat.completions.create(model=MODEL, messages=messages)  # type: ignore[arg-type]
        return reply.choices[0].message.content

    async with client:
        return await drive(count, in_flight, one)


async def ours(
    url: str, count: int, in_flight: int, database: Engine, artifacts: ArtifactStore, whose: str
) -> tuple[float, float]:
    async with Gateway(database, artifacts, OpenAIProvider(url), PriceTable.load(), None, in_flight) as gateway:

        async def one(number: int) -> object:
            answer = await gateway.ask(Request("openai", MODEL, (Message("user", f"{PROMPT}{whose}{number}"),)))
            return answer.text

        return await drive(count, in_flight, one)


@pytest.mark.benchmark
@pytest.mark.parametrize("delay_s", [0.0, 0.2])
def test_requests_a_second_and_cpu_of_a_request(delay_s: float, database: Engine, artifacts: ArtifactStore) -> None:
    """Goal: at least 85 % of the SDK on its aiohttp transport with the ledger on."""
    ratios = []
    with instant_server(delay_s) as url:
        for in_flight in (100, 500, 1000):
            found = {
                "bare aiohttp": asyncio.run(bare(url, 3000, in_flight)),
                "SDK, default": asyncio.run(sdk(url, 1000, in_flight, openai.DefaultAsyncHttpxClient)),
                "SDK, aiohttp": asyncio.run(sdk(url, 3000, in_flight, openai.DefaultAioHttpClient)),
                "gateway": asyncio.run(ours(url, 3000, in_flight, database, artifacts, f"{in_flight} ")),
            }
            for name, (rate, cpu_ms) in found.items():
                print(f"{delay_s * 1000:3.0f} ms {in_flight:5} {name:13} {rate:6.0f}/s {cpu_ms:6.2f} ms CPU")
            ratios.append(found["gateway"][0] / found["SDK, aiohttp"][0])
    print("gateway : SDK on aiohttp", ", ".join(f"{ratio:.2f}" for ratio in ratios))


@pytest.mark.benchmark
def test_memory_over_twenty_thousand_requests(database: Engine, artifacts: ArtifactStore) -> None:
    process = psutil.Process()
    sizes = []
    with instant_server(0.0) as url:

        async def run() -> None:
            provider = OpenAIProvider(url)
            async with Gateway(database, artifacts, provider, PriceTable.load(), None, 200) as gateway:
                for start in range(0, 20_000, 4000):

                    async def one(number: int, start: int = start) -> object:
                        return await gateway.ask(Request("openai", MODEL, (Message("user", f"{start + number}"),)))

                    await drive(4000, 200, one)
                    sizes.append(process.memory_info().rss / 1e6)

        asyncio.run(run())
    print("MB resident after each 4,000 requests:", ", ".join(f"{size:.0f}" for size in sizes))
    assert sizes[-1] < 1.15 * sizes[0]
