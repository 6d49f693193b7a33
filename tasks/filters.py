"""Which rows a release holds: filters, quotas, a sample, and the paper's sets as presets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from tasks.licences import LicencePolicy
from tasks.options import AnyStyle, Form, SubsetName, chosen_subsets
from tasks.settings import ConfigurationError

Difficulty = Literal["easy", "medium", "hard"]
PresetName = Literal["kodcode-50k", "hard-18k"]


class ReleaseFilters(Form):
    """What a release leaves out beyond what was rejected; then how much of the rest it holds.

    The bounds of trust are on the chosen pair of a question, for all that was made from it; what was not found out
    meets no bound. A quota, then a sample, keeps the rows whose hash with `seed` is smallest: more rows to choose from
    change little of what is chosen.
    """

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

    @property
    def by_question(self) -> bool:
        """Whether what is in a question, and made from it, decides about its rows, whatever else there is."""
        return not self.quota and self.sample is None and self.licence_policy == "any"

    def on(self, preset: Literal["none", PresetName] | None) -> ReleaseFilters:
        """These filters on top of a preset's: what was set here counts, the preset fills the rest."""
        if preset is None or preset == "none":
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
