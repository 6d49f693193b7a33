"""The twelve subsets: what each one's prompts show, which endpoint answers, and how its answers are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tasks.llm.types import Sampling
from tasks.subsets.errors import SubsetError

Endpoint = Literal["chat", "completions"]
SeedKind = Literal["problem", "instruction", "snippet", "page"]

# Diversity is worth more than the single best answer: proposals are sampled at the model's own distribution.
_PROPOSE = Sampling(max_tokens=4096, temperature=1.0)
_ANALYSE = Sampling(max_tokens=6144, temperature=1.0)
_COMPLETE_TURN = Sampling(max_tokens=2048, temperature=1.0, top_p=1.0)

ANNOTATE = "annotate"  # the prompt of the annotator, one for all subsets

_STATEMENTS = (
    "Problem statements stay under the terms of the site that published them; seeds only shape the style of new "
    "questions and are not released. Record the licence of each file in its `licence`."
)
_INSTRUCTIONS = "Instruction sets carry their own licence, often one that forbids some uses; record it with each file."
_SOURCES = "Source code and documentation keep the licence of their project; record its SPDX identifier."
_NO_SEEDS = "No seeds; the terms of the sampled model apply to what it writes."


@dataclass(frozen=True, slots=True)
class Subset:
    """One generator of questions (paper, section 2.1).

    `endpoint` is the one that the subset is defined for; where a provider has no completions endpoint, `chat_prompt`
    asks a chat model for the equivalent. `opening` is what a raw prompt puts in the mouth of the user and is therefore
    part of the question.
    """

    name: str
    slug: str
    description: str
    prompt: str
    seeds_per_prompt: int
    seed_kind: SeedKind | None
    sampling: Sampling
    licence_note: str
    endpoint: Endpoint = "chat"
    chat_prompt: str | None = None
    opening: str = ""
    needs_markers: bool = False  # the answer also holds an analysis; only markers tell the question from it
    annotated: bool = False  # each question is judged before it is stored, whether or not an annotator is named
    may_abstain: bool = False
    min_chars: int = 60
    max_chars: int = 12_000

    @property
    def prompts(self) -> tuple[str, ...]:
        """Every prompt file that this subset may send for a proposal and its annotation."""
        return tuple(name for name in (self.prompt, self.chat_prompt, ANNOTATE) if name is not None)


_ENTRIES = (
    Subset(
        "Prefill",
        "prefill",
        'A model goes on with a user message that begins "Write a Python function that".',
        "prefill",
        0,
        None,
        _COMPLETE_TURN,
        _NO_SEEDS,
        endpoint="completions",
        chat_prompt="propose-prefill",
        opening="Write a Python function that",
        min_chars=40,
    ),
    Subset(
        "Leetcode",
        "leetcode",
        "A teacher writes a new interview question in the style of three.",
        "propose-leetcode",
        3,
        "problem",
        _PROPOSE,
        _STATEMENTS,
    ),
    Subset(
        "Codeforces",
        "codeforces",
        "A teacher writes a new contest problem in the style of one.",
        "propose-codeforces",
        1,
        "problem",
        _PROPOSE,
        _STATEMENTS,
    ),
    Subset(
        "Apps",
        "apps",
        "A teacher writes a new practice problem in the style of one.",
        "propose-apps",
        1,
        "problem",
        _PROPOSE,
        _STATEMENTS,
    ),
    Subset(
        "Taco",
        "taco",
        "A teacher writes a new algorithmic exercise that trains the skills of one.",
        "propose-taco",
        1,
        "problem",
        _PROPOSE,
        _STATEMENTS,
    ),
    Subset(
        "Code_Contests",
        "code-contests",
        "A teacher writes a new competition problem in the style of one.",
        "propose-code-contests",
        1,
        "problem",
        _PROPOSE,
        _STATEMENTS,
    ),
    Subset(
        "Algorithm",
        "algorithm",
        "A teacher analyses a code snippet and asks about its algorithm.",
        "propose-algorithm",
        1,
        "snippet",
        _ANALYSE,
        _SOURCES,
        needs_markers=True,
    ),
    Subset(
        "Data_Structure",
        "data-structure",
        "A teacher analyses a code snippet and asks for a data structure.",
        "propose-data-structure",
        1,
        "snippet",
        _ANALYSE,
        _SOURCES,
        needs_markers=True,
    ),
    Subset(
        "Docs",
        "docs",
        "A teacher turns a page of a library's documentation into a task, or abstains.",
        "propose-docs",
        1,
        "page",
        _ANALYSE,
        _SOURCES,
        needs_markers=True,
        may_abstain=True,
    ),
    Subset(
        "Filter",
        "filter",
        "A model writes a whole user message (Magpie); an annotator keeps the good coding requests.",
        "magpie",
        0,
        None,
        _COMPLETE_TURN,
        _NO_SEEDS,
        endpoint="completions",
        chat_prompt="propose-filter",
        annotated=True,
        min_chars=40,
    ),
    Subset(
        "Package",
        "package",
        "A teacher writes a new task around a Python package, after one.",
        "propose-package",
        1,
        "instruction",
        _PROPOSE,
        _INSTRUCTIONS,
    ),
    Subset(
        "Evol",
        "evol",
        "A teacher evolves one instruction into a harder, checkable one.",
        "propose-evol",
        1,
        "instruction",
        _PROPOSE,
        _INSTRUCTIONS,
    ),
)

SUBSETS: Mapping[str, Subset] = {entry.name: entry for entry in _ENTRIES}


class UnknownSubset(SubsetError):
    """No subset has that name; the message lists those that exist."""

    def __init__(self, name: str) -> None:
        known = ", ".join(entry.slug for entry in SUBSETS.values())
        super().__init__(f"There is no subset '{name}'. The subsets are: {known}.")


def get_subset(name: str) -> Subset:
    """The subset called `name` (Code_Contests) or with that slug (code-contests), in any case.

    Raises UnknownSubset.
    """
    wanted = name.strip().lower().replace("_", "-")
    for entry in SUBSETS.values():
        if entry.slug == wanted:
            return entry
    raise UnknownSubset(name)
