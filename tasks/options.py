"""Parameters that several flows share; Prefect's UI makes its forms from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)
from pydantic.json_schema import SkipJsonSchema

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


def _fields_without_null(schema: dict[str, Any]) -> None:
    """What may be left out as a plain field of the form, not as a choice between it and null."""
    for field in schema["properties"].values():
        if "anyOf" in field:
            (kind,) = (kind for kind in field.pop("anyOf") if kind.get("type") != "null")
            field.update(kind)
            field.pop("default", None)


class Form(BaseModel):
    """A group of fields in a form; what was left out is in no record of it either."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=_fields_without_null)

    @model_serializer(mode="wrap")
    def _given(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if value is not None}


def _form(pattern: str, *examples: str) -> Any:
    """What a form refuses at once; the models' own validators say it in a sentence where there is no form."""
    return Field(json_schema_extra={"pattern": pattern, "examples": list(examples)})


# None where a program calls a flow. A form asks which kind of value is meant where null is one, so there a parameter
# that may be left out has 0 or no text instead.
Blank = SkipJsonSchema[None]
Seeds = Annotated[str, _form(r"^$|\S", "seeds.jsonl", "s3://bucket/seeds.parquet", "hf://datasets/owner/name")]
BenchmarkFile = Annotated[str, _form(r"\.(parquet|ndjson|jsonl?(\.\w+)?)$", "HumanEval.jsonl.gz")]
ModelName = Annotated[str, _form(r"\S")]
_NUMBER = r"\$?\d+(\.\d+)?"
_Cap = Annotated[str, _form(rf"^([A-Za-z_-]+=)?{_NUMBER}$", "100", "day=50", "solve=20", "Leetcode=5")]
_Priced = Annotated[str, _form(rf"^(.+=)?({_NUMBER}:){{0,2}}{_NUMBER}$", "gpt-4o=2.50:10", "0")]

# So many rows are in memory at a time where requests go in batches; several batches, at the providers' limits.
_BATCHED_ROWS = 20_000


class Teacher(Form):
    """Which models are asked, and where. What is left empty comes from the settings of the machine that runs the flow.

    Keys are never parameters: they are read from OPENAI_API_KEY or ANTHROPIC_API_KEY.
    """

    provider: ProviderName | None = Field(
        None,
        title="Provider",
        description="Whose API is spoken: OpenAI's, which most servers speak, or Anthropic's. offline: canned "
        "answers, for trying out.",
        json_schema_extra={"position": 0},
    )
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
        json_schema_extra={"position": 2, "pattern": "^https?://"},
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
        None,
        ge=1,
        le=10_000,
        title="Requests in flight",
        description="The most that are asked at the same time; a provider that is asked too much is asked less.",
        json_schema_extra={"position": 6},
    )
    prices: list[_Priced] = Field(
        [],
        title="Prices",
        description="MODEL=INPUT:OUTPUT in dollars per million tokens, where a price is not known; 0 is free.",
        json_schema_extra={"position": 7},
    )
    budget: list[_Cap] = Field(
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
        json_schema_extra={"position": 10},
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


class SolveBudget(Form):
    """What the solution-and-test attempts of one subset may come to, earlier runs included."""

    attempts: int | None = Field(None, ge=0, title="Attempts", description="All attempts at all questions.")
    usd: float | None = Field(None, ge=0, title="US dollars", description="By the ledger, earlier runs included.")


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


class BenchmarkThresholds(Form):
    """From where a question counts as contaminated; empty is the setting of the machine that runs the flow."""

    benchmark_cosine: float | None = Field(
        None,
        ge=-1,
        le=1,
        title="Cosine above",
        description="Of the embeddings of question and benchmark problem. The paper's is 0.95.",
        json_schema_extra={"position": 0},
    )
    ngram: int | None = Field(
        None,
        ge=5,
        le=50,
        title="Length of an n-gram",
        description="Words or code tokens in a row; 13 where nothing else is set.",
        json_schema_extra={"position": 1},
    )
    ngram_share: float | None = Field(
        None,
        gt=0,
        le=1,
        title="Share of n-grams from",
        description="Of a benchmark problem's n-grams that occur in the question; 0.3 where nothing else is set.",
        json_schema_extra={"position": 2},
    )
    terms_jaccard: float | None = Field(
        None,
        gt=0,
        le=1,
        title="Weighted words from",
        description="Jaccard similarity of the words, rare ones weighing more; 0.55 where nothing else is set.",
        json_schema_extra={"position": 3},
    )

    def asked(self) -> dict[str, int | float]:
        """The thresholds that were set, by name."""
        return self.model_dump(exclude_defaults=True)


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

    @property
    def least_rows(self) -> int:
        """Rows a shard at least: shards follow each other, and a batch is not to wait for the one before it."""
        return 1 if self.mode == "online" else _BATCHED_ROWS


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
