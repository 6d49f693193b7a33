"""Asks a server questions in batches and says which were answered; made to be killed.

Arguments: database URL, artifacts URL, provider, base URL, number of questions.
"""

from __future__ import annotations

import asyncio
import sys

from tasks.llm import BatchPolicy, Gateway, Message, PriceTable, Request, make_provider
from tasks.store import connect, open_artifacts
from tests.llm.batch_server import MODELS


async def main(database_url: str, artifacts_url: str, provider: str, base_url: str, count: int) -> None:
    policy = BatchPolicy("batch", gather_s=1.0, first_poll_s=0.02, longest_poll_s=0.05, look_s=0.1, settle_s=0.0)
    made = make_provider(provider, base_url)
    made.batches.most_requests = count  # type: ignore[attr-defined]  # closed when all have come, whatever the load
    store = open_artifacts(artifacts_url)
    gateway = Gateway(connect(database_url), store, made, PriceTable.load(), "killed", batching=policy)

    async def ask(number: int) -> None:
        answer = await gateway.ask(Request(provider, MODELS[provider], (Message("user", f"question {number}"),)))
        print(answer.request_hash, flush=True)

    async with gateway:
        await asyncio.gather(*(ask(number) for number in range(count)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5])))
