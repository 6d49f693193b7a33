"""Processes that ask a server questions through a gateway and write down which were answered; made to be killed."""

from __future__ import annotations

import asyncio
import multiprocessing
from multiprocessing.synchronize import Event
from pathlib import Path

from sqlalchemy import Engine

from tasks.interrupt import run_interruptible
from tasks.llm import Gateway, Message, PriceTable, Request
from tasks.llm.openai_provider import OpenAIProvider
from tasks.store import connect, open_artifacts

# Forked from a process that has imported all of it: else a start would take seconds, and most of them be killed in it.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["__main__", "tests.llm.worker"])


class Worker:
    """A process that asks `questions` of `base_url`, beginning at once. `whose` tells them from those of others."""

    def __init__(
        self, database: Engine, artifacts: Path, base_url: str, questions: int, in_flight: int, whose: str = "question"
    ) -> None:
        url = database.url.render_as_string(hide_password=False)
        self._answered = artifacts.with_name(f"{artifacts.name}-answered")
        self.interrupted = _FORKS.Event()
        arguments = (url, artifacts, base_url, questions, in_flight, whose, self._answered, self.interrupted)
        self.process = _FORKS.Process(target=_run, args=arguments)
        self.process.start()

    def answered(self) -> set[str]:
        """Hashes of the requests that a worker with these artifacts got an answer to."""
        return set(self._answered.read_text().split())

    def kill(self) -> None:
        self.process.kill()
        self.process.join()


def _run(
    database_url: str, artifacts: Path, base_url: str, questions: int, in_flight: int, whose: str, answered: Path,
    interrupted: Event,
) -> None:  # fmt: skip
    async def main() -> None:
        with answered.open("a") as file:
            store, provider = open_artifacts(artifacts.as_uri()), OpenAIProvider(base_url)
            async with Gateway(connect(database_url), store, provider, PriceTable.load(), "run", in_flight) as gateway:

                async def ask(number: int) -> None:
                    request = Request("openai", "gpt-4o", (Message("user", f"{whose} {number}"),))
                    print((await gateway.ask(request)).request_hash, file=file, flush=True)

                try:
                    await asyncio.gather(*(ask(number) for number in range(questions)))
                except asyncio.CancelledError:
                    interrupted.set()
                    raise

    run_interruptible(main())
