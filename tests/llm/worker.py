"""Asks a server questions through a gateway and says which were answered; made to be killed.

Arguments: database URL, artifacts URL, base URL, number of questions, requests in flight, and what tells its questions
from those of others.
"""

from __future__ import annotations

import asyncio
import sys

from tasks.llm import Gateway, Message, PriceTable, Request, make_provider
from tasks.store import connect, open_artifacts


async def main(
    database_url: str, artifacts_url: str, base_url: str, count: int, max_concurrency: int, whose: str = "question"
) -> None:
    provider = make_provider("openai", base_url)
    gateway = Gateway(
        connect(database_url), open_artifacts(artifacts_url), provider, PriceTable.load(), "killed", max_concurrency
    )

    async def ask(number: int) -> None:
        answer = await gateway.ask(Request("openai", "gpt-4o", (Message("user", f"{whose} {number}"),)))
        print(answer.request_hash, flush=True)

    async with gateway:
        try:
            await asyncio.gather(*(ask(number) for number in range(count)))
        except asyncio.CancelledError:
            print("interrupted", flush=True)
            raise


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), *sys.argv[6:]))
