"""A subset's way from seeds to screened questions, asked over HTTP, without Prefect around it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from tasks.backends import Backends
from tasks.generate import STAGE, open_questions, plan_questions, read_seeds, store_seeds
from tasks.options import Models
from tasks.run import Run, _current
from tasks.screen import screen
from tasks.settings import load_settings
from tasks.store import ArtifactStore
from tasks.store.schema import Question
from tasks.subsets import get_subset
from tasks.work import Work
from tests.conftest import TEMPLATE, PostgresServer, _fresh
from tests.handled import handled
from tests.llm.fault_server import FaultServer, fault_server

MODELS = Models(
    provider="openai", teacher="teacher", base_url=None, base_model="base", reasoner="teacher", max_concurrency=1,
    prices=("0",),
)  # fmt: skip


@dataclass
class Bench:
    """A database, an artifact folder, and a server whose answers the test decides."""

    engine: Engine
    artifacts: ArtifactStore
    server: FaultServer
    settings: Mapping[str, Any]

    def generate(
        self, name: str, count: int, seeds: str | None = None, stop_after: int | None = None, **models: Any
    ) -> dict[str, int]:
        """What the flow of the subset does between its seeds and its report; `stop_after` so many answers."""
        return asyncio.run(self._generate(name, count, seeds, stop_after, models))

    async def _generate(
        self, name: str, count: int, seeds: str | None, stop_after: int | None, models: Mapping[str, Any]
    ) -> dict[str, int]:
        subset = get_subset(name)
        chosen = MODELS.model_copy(update={"base_url": self.server.url, **models})
        run = Run("run", Backends(load_settings(**self.settings), self.engine, self.artifacts, None))
        token = _current.set(run)
        try:
            report = await read_seeds(subset, seeds)
            pool = store_seeds(self.engine, subset, report, named=seeds is not None)
            plan_questions(self.engine, subset, chosen, count, pool)
            places = open_questions(self.engine, subset, chosen, count)[:stop_after]
            await handled(run, STAGE, Work(models=chosen, subset=subset.name), places)
            return await screen.fn(subset.name)
        finally:
            _current.reset(token)
            await run.close()

    def rows(self) -> list[Any]:
        """All questions in the order of their places."""
        with self.engine.connect() as connection:
            return list(connection.execute(select(Question.__table__).order_by(Question.subset, Question.number)))

    def on(self, engine: Engine) -> Bench:
        """The same with another database."""
        return replace(self, engine=engine)


@pytest.fixture
def bench(
    database: Engine, artifacts: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    with fault_server() as server:
        yield Bench(database, artifacts, server, {"data_dir": tmp_path / "data"})


@pytest.fixture
def other_database(postgres: PostgresServer) -> Iterator[Engine]:
    """A second database, as another machine has it."""
    yield from _fresh(postgres, TEMPLATE)


Write = Callable[[str], str]


@pytest.fixture
def sources(tmp_path: Path) -> Write:
    """Writes a small source of seeds of a subset's kind; returns its path."""

    def write(name: str) -> str:
        match get_subset(name).seed_kind:
            case "problem" | "instruction":
                file = tmp_path / "seeds.csv"
                lines = (f'"Task {n}: count the {thing} of a list, in order."' for n, thing in enumerate(THINGS))
                file.write_text("\n".join(["text", *lines]) + "\n")
                return str(file)
            case "snippet":
                folder = tmp_path / "tree"
                folder.mkdir()
                (folder / "runs.py").write_text("\n\n".join(SNIPPET.format(name=thing) for thing in THINGS))
                return str(folder)
            case "page":
                folder = tmp_path / "docs"
                folder.mkdir()
                for thing in THINGS:
                    text = f"The module ``{thing}`` keeps what it is given in order and never twice. " * 12
                    (folder / f"{thing}.rst").write_text(f"{thing.title()}\n{'=' * len(thing)}\n\n{text}\n")
                return str(folder)
            case _:
                raise ValueError(f"{name} has no seeds")

    return write


THINGS = ("peaks", "gaps", "pairs", "runs")
SNIPPET = """def longest_{name}(values):
    best = current = 0
    for left, right in zip(values, values[1:]):
        current = current + 1 if left < right else 0
        best = max(best, current)
    return best
"""
