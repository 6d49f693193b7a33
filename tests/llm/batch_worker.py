"""Processes that ask a server questions in batches and write down which were answered; made to be killed."""

from __future__ import annotations

import asyncio
import multiprocessing
from pathlib import Path

from sqlalchemy import Engine

from tasks.llm import BatchPolicy, Gateway, Message, PriceTable, Request, make_provider
from tasks.store import connect, open_artifacts
from tests.llm.batch_server import MODELS

# Forked from a process that has imported all of it: else a start would take seconds.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["__main__", "tests.llm.batch_worker", "openai", "anthropic"])


class BatchWorker:
    """A process that asks `questions`, beginning at once."""

    def __init__(self, database: Engine, artifacts: Path, protocol: str, base_url: str, questions: int) -> None:
        url = database.url.render_as_string(hide_password=False)
        self._answered = artifacts.with_name(f"{artifacts.name}-answered")
        arguments = (url, artifacts, protocol, base_url, questions, self._answered)
        self.process = _FORKS.Process(target=_run, args=arguments)
        self.process.start()

    def answered(self) -> list[str]:
        """Hashes of the requests that workers with these artifacts got an answer to."""
        return self._answered.read_text().split() if self._answered.exists() else []

    def kill(self) -> None:
        self.process.kill()
        self.process.join()


def _run(database_url: str, artifacts: Path, protocol: str, base_url: str, questions: int, answered: Path) -> None:
    async def main() -> None:
        policy = BatchPolicy("batch", gather_s=1.0, first_poll_s=0.02, longest_poll_s=0.05, look_s=0.1, settle_s=0.0)
        provider = make_provider(protocol, base_url)
        provider.batches.most_requests = questions  # type: ignore[attr-defined]  # closed when all have come
        store, prices = open_artifacts(artifacts.as_uri()), PriceTable.load()
        with answered.open("a") as file:
            async with Gateway(connect(database_url), store, provider, prices, "killed", batching=policy) as gateway:

                async def ask(number: int) -> None:
                    request = Request(protocol, MODELS[protocol], (Message("user", f"question {number}"),))
                    print((await gateway.ask(request)).request_hash, file=file, flush=True)

                await asyncio.gather(*(ask(number) for number in range(questions)))

    asyncio.run(main())
