"""Seeds: the texts that prompts are built from, where they come from, and which of them prompt i shows."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tasks.subsets.errors import SubsetError
from tasks.subsets.registry import Subset

MAX_CHARS = 20_000
# The source of every seed that comes with the project; what it was taken from is then in `revision`.
BUILTIN_SOURCE = "kodcode builtin"
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class SeedError(SubsetError):
    """Seeds cannot be read; the message says which, why, and what to do."""


class NoSeeds(SeedError):
    """A source, or all sources of a subset together, gave not one usable seed."""


@dataclass(frozen=True, slots=True)
class Seed:
    """A text with its origin. `source` names file, module or data set; `licence` is an SPDX identifier or a note."""

    text: str
    source: str
    revision: str | None = None
    licence: str | None = None

    @property
    def content_hash(self) -> str:
        """SHA-256 of the text as `seed_id` sees it."""
        return hashlib.sha256(canonical(self.text).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row (line of a JSONL, row of a table, line of a source file) that cannot be a seed. Rows count from 1."""

    row: int
    reason: str
    source: str = ""

    def __str__(self) -> str:
        return f"{self.source}: row {self.row}: {self.reason}" if self.source else f"row {self.row}: {self.reason}"


@dataclass(frozen=True, slots=True)
class SeedReport:
    """What a source gave. `duplicates` counts texts that occurred before; they are no problem and no second seed."""

    seeds: tuple[Seed, ...]
    problems: tuple[RowProblem, ...] = ()
    duplicates: int = 0


def canonical(text: str) -> str:
    """The text that counts when seeds are compared: Unix line ends, no blanks around."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def seed_id(subset: str, text: str) -> str:
    """Id of a seed in the subset named `subset`: 16 hex digits, the same for the same text on every machine."""
    return hashlib.sha256(f"{subset}\n{canonical(text)}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


def unusable(text: object, max_chars: int = MAX_CHARS) -> str | None:
    """Why `text` cannot be a seed, or None if it can."""
    if not isinstance(text, str):
        return f"the text is {'missing' if text is None else f'a {type(text).__name__}, not a string'}"
    if not text.strip():
        return "the text is empty"
    if len(text) > max_chars:
        return f"the text has {len(text):,} characters, more than {max_chars:,}"
    if found := _UNPRINTABLE.search(text):
        return f"the text holds the control character U+{ord(found.group()):04X}; it is not plain text"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "the text holds half of a surrogate pair, which is no valid Unicode"
    return None


def collect(candidates: Iterable[tuple[int, object, Seed | None]], source: str, max_chars: int) -> SeedReport:
    """Sorts (row, text or RowProblem, origin) into seeds and problems; `origin` lends everything but the text."""
    seeds: dict[str, Seed] = {}
    problems: list[RowProblem] = []
    duplicates = 0
    for row, text, origin in candidates:
        if isinstance(text, RowProblem):
            problems.append(text)
            continue
        reason = unusable(text, max_chars)
        if reason is not None or origin is None or not isinstance(text, str):
            problems.append(RowProblem(row, reason or "the row cannot be read", source))
            continue
        seed = Seed(canonical(text), origin.source, origin.revision, origin.licence)
        if seed.text in seeds:
            duplicates += 1
        else:
            seeds[seed.text] = seed
    return SeedReport(tuple(seeds.values()), tuple(problems), duplicates)


def merge(reports: Iterable[SeedReport]) -> SeedReport:
    """Several sources as one; of equal texts the first one's origin counts."""
    seeds: dict[str, Seed] = {}
    problems: list[RowProblem] = []
    duplicates = 0
    for report in reports:
        problems.extend(report.problems)
        duplicates += report.duplicates
        for seed in report.seeds:
            if seed.text in seeds:
                duplicates += 1
            else:
                seeds[seed.text] = seed
    return SeedReport(tuple(seeds.values()), tuple(problems), duplicates)


def require_seeds(report: SeedReport, what: str) -> SeedReport:
    """The report itself, or NoSeeds with the first reasons when nothing in it can be used."""
    if report.seeds:
        return report
    if not report.problems:
        raise NoSeeds(f"{what} holds no seeds at all. Name a source with at least one text.")
    shown = "; ".join(f"row {problem.row}: {problem.reason}" for problem in report.problems[:3])
    more = len(report.problems) - 3
    raise NoSeeds(
        f"{what} holds no usable seed. {shown}{f'; and {more:,} more' if more > 0 else ''}. "
        "Correct these, or name another source."
    )


def choose_seeds(spec: Subset, seed_ids: Sequence[str], prompt_index: int) -> tuple[str, ...]:
    """The ids of the seeds that prompt `prompt_index` of a subset shows, in order.

    Depends on nothing but the subset, the index and the set of ids; not on their order, the machine or earlier runs.
    All seeds are dealt out once, in an order of their own, before any is shown again; a prompt never shows one twice.
    With fewer seeds than a prompt shows, it shows those there are.

    Raises NoSeeds, ValueError for a negative index.
    """
    if prompt_index < 0:
        raise ValueError(f"a prompt index counts from 0, {prompt_index} is none")
    if spec.seeds_per_prompt == 0:
        return ()
    ids = tuple(seed_ids)
    if not ids:
        raise NoSeeds(f"The subset {spec.name} builds its prompts from seeds, and there are none.")
    count = len(set(ids))
    shown = min(spec.seeds_per_prompt, count)
    deal, place = divmod(prompt_index, count // shown)
    return _dealt(spec.slug, ids, deal)[place * shown : (place + 1) * shown]


@functools.lru_cache(maxsize=8)
def _dealt(slug: str, ids: tuple[str, ...], deal: int) -> tuple[str, ...]:
    def rank(identity: str) -> tuple[bytes, str]:
        return hashlib.sha256(f"{slug}|{deal}|{identity}".encode()).digest(), identity

    return tuple(sorted(set(ids), key=rank))
