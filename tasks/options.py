"""Parameters that several flows share; Prefect's UI makes its forms from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tasks.licences import LicencePolicy
from tasks.llm import Budget, BudgetError, parse_price
from tasks.llm.types import Stage
from tasks.screening import Thresholds
from tasks.settings import ConfigurationError, Settings
from tasks.subsets.registry import SUBSETS, get_subset
from tasks.subsets.templates import base_models

ProviderName = Literal["openai", "anthropic", "offline"]
ModeName = Literal["online", "batch", "auto"]
Style = Literal["complete", "online_judge"]
AnyStyle = Literal["instruct", "complete", "online_judge"]
Difficulty = Literal["easy", "medium", "hard"]
PresetName = Literal["kodcode-50k", "hard-18k"]
# Spelled out, so that Prefect's forms offer them; a test holds it against the registry.
SubsetName = Literal[
    "Prefill", "Leetcode", "Codeforces", "Apps", "Taco", "Code_Contests", "Algorithm", "Data_Structure", "Docs",
    "Filter", "Package", "Evol",
]  # fmt: skip
# Likewise the formats.
FormatName = Literal[
    "kodcode-v1", "kodcode-v1-sft", "messages", "messages-jsonl", "sharegpt", "dpo", "verl", "rlvr", "nemo-gym",
    "verifiers", "provenance",
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
        description="Completes raw chat templates for Prefill and Filter: MODEL or MODEL=TEMPLATE; several, separated "
        "by commas, take turns. The teacher gets a chat prompt if empty.",
        json_schema_extra={"position": 3},
    )
    reasoner: str | None = Field(
        None,
        title="Reasoning model",
        description="Writes the responses; the teacher if empty.",
        json_schema_extra={"position": 4},
    )
    annotator: str | None = Field(
        None,
        title="Annotator",
        description="Judges category, difficulty and clarity of every proposed question and rejects the bad; if "
        "empty, the teacher judges those of Filter only.",
        json_schema_extra={"position": 5},
    )
    max_concurrency: int | None = Field(
        None, ge=1, le=10_000, title="Requests in flight", json_schema_extra={"position": 6}
    )

    prices: list[str] = Field(
        [],
        title="Prices",
        description="MODEL=INPUT:OUTPUT in dollars per million tokens, where a price is not known; 0 is free.",
        json_schema_extra={"position": 7},
    )
    budget: list[str] = Field(
        [],
        title="Budget",
        description="Dollars for the run, like 100; or by day, stage or subset: day=50, solve=20, Leetcode=5.",
        json_schema_extra={"position": 8},
    )
    replay: bool = Field(
        False,
        title="Replay",
        description="Answer from the ledger only: nothing is asked or paid; stops where an answer is missing.",
        json_schema_extra={"position": 9},
    )

    mode: ModeName | None = Field(
        None,
        title="Mode",
        description="online; batch: by the provider's batch API, cheaper and within a day; auto: batches where many "
        "requests are ready together, and online what they leave over.",
        json_schema_extra={"position": 9},
    )

    @field_validator("base_model")
    @classmethod
    def _are_models(cls, given: str | None) -> str | None:
        base_models(given)
        return given

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
            annotator=None if provider == "offline" else self.annotator or settings.annotator,
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
    usd: float | None = Field(
        None, ge=0, title="US dollars", description="What the ledger says of them says what more would cost."
    )


def solve_budgets(texts: Sequence[str]) -> dict[SubsetName, SolveBudget]:
    """Budgets by subset from texts like "leetcode=200" (attempts) or "leetcode=$5"; a subset may have both.

    Raises UnknownSubset, or BudgetError for what is neither.
    """
    found: dict[SubsetName, dict[str, float]] = {}
    for text in texts:
        name, _, amount = text.partition("=")
        dollars = amount.startswith("$")
        try:
            value = float(amount[1:]) if dollars else int(amount)
        except ValueError:
            value = -1
        if not 0 <= value < math.inf:
            raise BudgetError(f"{text!r} is no budget of attempts. Write leetcode=200, or leetcode=$5.")
        (subset,) = chosen_subsets([name])
        found.setdefault(subset, {})["usd" if dollars else "attempts"] = value
    return {subset: SolveBudget.model_validate(bounds) for subset, bounds in found.items()}


class ReleaseFilters(BaseModel):
    """What a release leaves out beyond what was rejected; then how much of the rest it holds.

    The bounds of trust are on the chosen pair of a question, for all that was made from it; what was not found out
    meets no bound. A quota, then a sample, keeps the rows whose hash with `seed` is smallest: more rows to choose from
    change little of what is chosen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_trust: float | None = Field(None, ge=0, le=1, title="Trust at least", json_schema_extra={"position": 0})
    min_consensus: float | None = Field(
        None, ge=0, le=1, title="Consensus at least", json_schema_extra={"position": 1}
    )
    min_kill_rate: float | None = Field(
        None, ge=0, le=1, title="Kill rate at least", json_schema_extra={"position": 2}
    )
    min_coverage: float | None = Field(
        None, ge=0, le=100, title="Line coverage at least, percent", json_schema_extra={"position": 3}
    )
    min_assertions: int | None = Field(None, ge=1, title="Assertions at least", json_schema_extra={"position": 4})
    stub_rejected: bool = Field(False, title="Stub rejected", json_schema_extra={"position": 5})
    stable: bool = Field(False, title="Stable", json_schema_extra={"position": 6})
    apart: bool = Field(
        False, title="Passed with solution and test in two processes", json_schema_extra={"position": 9}
    )
    classes: bool = Field(True, title="With triplets whose test builds a class", json_schema_extra={"position": 7})
    max_response_tokens: int | None = Field(
        None, ge=1, title="Tokens of a response at most, reasoning included", json_schema_extra={"position": 8}
    )
    styles: list[AnyStyle] = Field(
        [], title="Styles", description="All if empty.", json_schema_extra={"position": 10}
    )
    difficulties: list[Difficulty] = Field(
        [],
        title="Difficulties",
        description="Of the question, for its conversions too; all if empty.",
        json_schema_extra={"position": 11},
    )
    since: date | None = Field(
        None, title="Made on or after", description="In UTC.", json_schema_extra={"position": 12}
    )
    until: date | None = Field(
        None, title="Made on or before", description="In UTC.", json_schema_extra={"position": 13}
    )
    answered: bool = Field(False, title="Only with a kept response", json_schema_extra={"position": 14})
    licence_policy: LicencePolicy = Field(
        "any",
        title="Licence policy",
        description="permissive: only what derives from seeds that ask for notices at most, and from models whose "
        "output may train others (tasks/licences).",
        json_schema_extra={"position": 15},
    )
    quota: dict[SubsetName, int] = Field(
        {}, title="Quotas", description="Rows of a subset at most.", json_schema_extra={"position": 16}
    )
    sample: int | None = Field(
        None, ge=1, title="Sample", description="Rows at most.", json_schema_extra={"position": 17}
    )
    seed: int = Field(0, title="Seed of quotas and sample", json_schema_extra={"position": 18})

    @field_validator("quota")
    @classmethod
    def _are_counts(cls, given: dict[SubsetName, int]) -> dict[SubsetName, int]:
        if wrong := [name for name, rows in given.items() if rows < 1]:
            raise ValueError(f"the quota of {wrong[0]} has to be at least 1")
        return given

    @model_validator(mode="after")
    def _is_a_time(self) -> ReleaseFilters:
        if self.since is not None and self.until is not None and self.since > self.until:
            raise ValueError(f"nothing was made on or after {self.since} and on or before {self.until}")
        return self

    def asked(self) -> dict[str, Any]:
        """The filters that were set, by name, as JSON-able data."""
        return self.model_dump(exclude_defaults=True, mode="json")

    def on(self, preset: PresetName | None) -> ReleaseFilters:
        """These filters on top of a preset's: what was set here counts, the preset fills the rest."""
        if preset is None:
            return self
        return ReleaseFilters(**(PRESETS[preset].model_dump(exclude_unset=True) | self.model_dump(exclude_unset=True)))


TRUST_BOUNDS = frozenset(
    {
        "min_trust", "min_consensus", "min_kill_rate", "min_coverage", "min_assertions", "stub_rejected", "stable",
        "apart",
    }
)  # fmt: skip

# The SFT sets of the paper (arXiv 2503.02951, section 4.1): answered triplets without classes, answers within its
# training sequence; 50,000 of them over all subsets and difficulties (its ratios are not published), or all hard ones.
PRESETS: dict[PresetName, ReleaseFilters] = {
    "kodcode-50k": ReleaseFilters(classes=False, max_response_tokens=16_384, answered=True, sample=50_000),
    "hard-18k": ReleaseFilters(classes=False, max_response_tokens=16_384, answered=True, difficulties=["hard"]),
}


def release_filters(given: Mapping[str, Any]) -> ReleaseFilters:
    """Filters by name. Raises ConfigurationError for a filter that does not exist or cannot have its value."""
    try:
        return ReleaseFilters(**given)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in problem["loc"][:1])
        if problem["type"] == "extra_forbidden":
            raise ConfigurationError(
                f"There is no filter {name!r} of releases; there are {', '.join(ReleaseFilters.model_fields)}."
            ) from None
        said = problem["msg"].removeprefix("Value error, ")
        where = f"{name}: " if name else ""
        raise ConfigurationError(f"The filters of the release cannot be used: {where}{said}.") from None


def quotas(texts: Sequence[str]) -> dict[SubsetName, int]:
    """Rows by subset from texts like "Leetcode=100". Raises UnknownSubset, or ConfigurationError."""
    found: dict[SubsetName, int] = {}
    for text in texts:
        name, _, rows = text.partition("=")
        if not rows.isdecimal() or int(rows) < 1:
            raise ConfigurationError(f"{text!r} is no quota. Write SUBSET=ROWS, like Leetcode=100.")
        (subset,) = chosen_subsets([name])
        found[subset] = int(rows)
    return found


class Models(BaseModel):
    """A Teacher with every gap filled."""

    model_config = ConfigDict(frozen=True)

    provider: ProviderName
    teacher: str
    base_url: str | None
    base_model: str | None  # several, as `tasks.subsets.base_models` reads them
    reasoner: str
    max_concurrency: int
    annotator: str | None = None  # of every subset's questions; where none is named, the teacher judges Filter's
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


def thresholds_of(settings: Settings) -> Thresholds:
    """The thresholds that the settings ask for. Raises ConfigurationError."""
    try:
        return Thresholds(**settings.thresholds)  # type: ignore[arg-type]  # checked by the class itself
    except (TypeError, ValueError) as error:
        known = ", ".join(f"{name} = {getattr(Thresholds(), name)}" for name in Thresholds.__slots__)
        raise ConfigurationError(f"The setting thresholds is not usable: {error}. The defaults: {known}.") from error
