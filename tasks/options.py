"""Parameters that several flows share; Prefect's UI makes its forms from them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tasks.llm import Budget, parse_price
from tasks.llm.types import Stage
from tasks.settings import Settings
from tasks.subsets.registry import SUBSETS, get_subset

ProviderName = Literal["openai", "anthropic", "offline"]
ModeName = Literal["online", "batch", "auto"]
Style = Literal["complete", "online_judge"]
# Spelled out, so that Prefect's forms offer them; a test holds it against the registry.
SubsetName = Literal[
    "Prefill", "Leetcode", "Codeforces", "Apps", "Taco", "Code_Contests", "Algorithm", "Data_Structure", "Docs",
    "Filter", "Package", "Evol",
]  # fmt: skip


# So many rows are in memory at a time where requests go in batches; several batches, at the providers' limits.
_BATCHED_ROWS = 20_000


class Teacher(BaseModel):
    """Which models are asked, and where. What is left empty comes from the settings of the machine that runs the flow.

    Keys are never parameters: they are read from OPENAI_API_KEY or ANTHROPIC_API_KEY.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: ProviderName | None = Field(None, title="Provider", json_schema_extra={"position": 0})
    model: str | None = Field(
        None,
        title="Teacher",
        description="Writes questions, solutions, tests and conversions.",
        json_schema_extra={"position": 1},
    )
    base_url: str | None = Field(
        None,
        title="Base URL",
        description="Of an OpenAI-compatible server, up to and including /v1.",
        json_schema_extra={"position": 2},
    )
    base_model: str | None = Field(
        None,
        title="Base model",
        description="Completes raw chat templates for Prefill and Filter; the teacher gets a chat prompt if empty.",
        json_schema_extra={"position": 3},
    )
    reasoner: str | None = Field(
        None,
        title="Reasoning model",
        description="Writes the responses; the teacher if empty.",
        json_schema_extra={"position": 4},
    )
    max_concurrency: int | None = Field(
        None, ge=1, le=10_000, title="Requests in flight", json_schema_extra={"position": 5}
    )

    prices: list[str] = Field(
        [],
        title="Prices",
        description="MODEL=INPUT:OUTPUT in dollars per million tokens, where a price is not known; 0 is free.",
        json_schema_extra={"position": 6},
    )
    budget: list[str] = Field(
        [],
        title="Budget",
        description="Dollars for the run, like 100; or by day, stage or subset: day=50, solve=20, Leetcode=5.",
        json_schema_extra={"position": 7},
    )
    replay: bool = Field(
        False,
        title="Replay",
        description="Answer from the ledger only: nothing is asked or paid; stops where an answer is missing.",
        json_schema_extra={"position": 8},
    )

    mode: ModeName | None = Field(
        None,
        title="Mode",
        description="online; batch: by the provider's batch API, cheaper and within a day; auto: batches where many "
        "requests are ready together, and online what they leave over.",
        json_schema_extra={"position": 9},
    )

    @field_validator("prices")
    @classmethod
    def _are_prices(cls, given: list[str]) -> list[str]:
        for text in given:
            parse_price(text)
        return given

    @field_validator("budget")
    @classmethod
    def _are_caps(cls, given: list[str]) -> list[str]:
        return [_canonical_cap(name, usd) for name, usd in Budget.parse(given).caps]

    def resolved(self, settings: Settings) -> Models:
        """The models to ask, every gap filled from `settings`."""
        provider = self.provider or settings.provider
        teacher = "offline" if provider == "offline" else self.model or settings.teacher
        return Models(
            provider=provider,
            teacher=teacher,
            base_url=None if provider == "offline" else self.base_url or settings.base_url,
            base_model=teacher if provider == "offline" else self.base_model or settings.base_model,
            reasoner=teacher if provider == "offline" else self.reasoner or settings.reasoner or teacher,
            max_concurrency=self.max_concurrency or settings.max_concurrency,
            prices=tuple(self.prices),
            budget=tuple(self.budget),
            replay=self.replay,
            mode=self.mode or ("online" if provider == "offline" else settings.mode),
        )


class SolveBudget(BaseModel):
    """What the solution-and-test attempts of one subset may come to, earlier runs included."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attempts: int | None = Field(None, ge=0, title="Attempts", description="All attempts at all questions.")
    usd: float | None = Field(None, ge=0, title="US dollars", description="What the ledger says that they cost.")


class Models(BaseModel):
    """A Teacher with every gap filled."""

    model_config = ConfigDict(frozen=True)

    provider: ProviderName
    teacher: str
    base_url: str | None
    base_model: str | None
    reasoner: str
    max_concurrency: int
    prices: tuple[str, ...] = ()
    budget: tuple[str, ...] = ()
    replay: bool = False
    mode: ModeName = "online"

    @property
    def rows_at_once(self) -> int:
        """How many rows of a stage ask at the same time: online the gateway's limit, else as many as make batches."""
        return self.max_concurrency if self.mode == "online" else _BATCHED_ROWS

    def shard_size(self, settings: Settings) -> int:
        """Rows a shard: shards follow each other, and a batch is not to wait for the one before it."""
        return settings.shard_size if self.mode == "online" else max(settings.shard_size, _BATCHED_ROWS)


def _canonical_cap(name: str, usd: Decimal) -> str:
    """A cap with its subset spelled as the database does. Raises UnknownSubset."""
    known = name in ("run", "day", *get_args(Stage))
    return f"{name if known else get_subset(name).name}={usd}"


def chosen_subsets(names: Sequence[str]) -> list[SubsetName]:
    """Canonical names, in the registry's order; all 12 for an empty list. Raises UnknownSubset."""
    wanted = {get_subset(name).name for name in names} or set(SUBSETS)
    return [name for name in get_args(SubsetName) if name in wanted]
