"""The dataset card of a release, README.md at its root: the Hub's header, and every number counted, none written.

The same facts give the same bytes. Whatever comes from models, seeds or files is escaped: it can break no table, open
no link and close no header.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from tasks.formats.manifest import MANIFEST_FILE, Manifest

CARD_FILE = "README.md"
_MOST_CHARS = 160  # of a foreign text in a table
_MOST_NAME = 100  # characters of a licence's name in the header
_LONG_NAME = "several-licences-see-the-card"
_STYLES = ("instruct", "complete", "online_judge")
_DIFFICULTIES = ("easy", "medium", "hard")
_SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
)
_MARKUP = re.compile(r"[\\`*_{}\[\]()|~$]")
# What no backslash takes away: HTML, and addresses that become links by themselves.
_ENTITIES = re.compile(r"[<>&:@]|(?<=www)\.", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]+")


@dataclass(frozen=True, slots=True)
class SubsetFacts:
    """What was counted of a subset's rows. Means are None where nothing was measured."""

    subset: str
    questions: int
    styles: Mapping[str, int]  # style -> rows
    difficulties: Mapping[str, int]  # difficulty -> questions
    question_bytes: float  # means over rows, in UTF-8
    solution_bytes: float
    tests: float | None  # mean over questions: tests that the chosen pair ran
    pass_at: Mapping[int, float]  # k -> mean over the questions with k attempts
    trust: float | None
    kill_rate: float | None
    cost_usd: float | None  # of the calls that the rows came from; None: a price is not known


@dataclass(frozen=True, slots=True)
class Facts:
    """What was counted of a release's rows."""

    subsets: Sequence[SubsetFacts]
    authors: Sequence[tuple[str, str, str, int]]  # part, provider, model, rows that show what it wrote
    sources: Sequence[tuple[str, str | None, int]]  # source, licence, questions made from it
    benchmarks: Sequence[tuple[str, int, float | None, int]]  # name, nearest for questions, highest cosine, cautioned
    verdicts: Mapping[str, int]  # of the executed trials


@dataclass(frozen=True, slots=True)
class Licence:
    """Under what the release may be given away: an SPDX expression, the Hub's word for it, and why."""

    licence: str
    hub: str
    reasons: Sequence[str] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)  # reason -> rows that a policy left out


def card(number: int, manifest: Manifest, facts: Facts, licence: Licence) -> bytes:
    """The card of release `number`."""
    parts = (
        _header(manifest, licence),
        _opening(number, manifest, facts),
        _subsets(facts.subsets),
        _formats(manifest),
        _loading(manifest),
        _making(manifest, facts),
        _contamination(facts),
        _licence(licence, facts),
        _limits(),
    )
    return ("\n\n".join("\n".join(part) for part in parts) + "\n").encode()


def escaped(value: object) -> str:
    """Foreign text as Markdown shows it, on one line; what is longer than a table bears is cut."""
    text = _printable(value)
    return _literal(text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}…")


def _header(manifest: Manifest, licence: Licence) -> Iterator[str]:
    """YAML. Its words are ours, or brought into the letters that the Hub allows; JSON strings are YAML."""
    yield "---"
    yield f"license: {json.dumps(_slug(licence.hub))}"
    if licence.hub == "other":
        name = _slug(licence.licence)  # a part of it would leave out terms
        yield f"license_name: {json.dumps(name if len(name) <= _MOST_NAME else _LONG_NAME)}"
        yield f"license_link: {json.dumps(f'{CARD_FILE}#licence')}"
    yield "language:\n- en"
    yield "task_categories:\n- text-generation"
    yield f"size_categories:\n- {_size(manifest.rows('kodcode-v1'))}"
    yield "tags:\n- code\n- python\n- synthetic\n- execution-verified"
    yield "pretty_name: Verified coding data"
    yield "configs:"
    for format in filter(partial(_is_config, manifest), _ordered(manifest)):
        yield f"- config_name: {json.dumps(format)}"
        if format == "kodcode-v1":
            yield "  default: true"
        yield "  data_files:"
        for split, pattern in _patterns(manifest, format).items():
            yield f"  - split: {json.dumps(split)}"
            yield f"    path: {json.dumps(pattern)}"
    yield "---"


def _opening(number: int, manifest: Manifest, facts: Facts) -> Iterator[str]:
    questions = sum(subset.questions for subset in facts.subsets)
    yield f"# Verified coding data, release {number}"
    yield ""
    yield (
        f"{questions:,} questions in {manifest.rows('kodcode-v1'):,} rows, each with a solution and a test that were "
        "executed together in a sandbox, made by kodcode, which re-implements the pipeline of the KodCode paper "
        "([arXiv 2503.02951](https://arxiv.org/abs/2503.02951))."
    )


def _subsets(subsets: Sequence[SubsetFacts]) -> Iterator[str]:
    yield "## What is in it"
    yield ""
    yield from _table(
        ("subset", "questions", "instruct", "complete", "online judge", "easy", "medium", "hard"),
        (
            (one.subset, one.questions, *(one.styles.get(style, 0) for style in _STYLES),
             *(one.difficulties.get(name, 0) for name in _DIFFICULTIES))
            for one in subsets
        ),
    )  # fmt: skip
    yield ""
    yield (
        "Styles count rows, difficulties questions: easy from two thirds of the attempts that passed, medium from one "
        "third, hard below. Next, what they are like: means of the bytes of question and solution and of the "
        "tests that were run, pass@k over the questions with k attempts, trust and kill rate (0 to 1; "
        "what the attempts and mutants of the solution say of a pair), and what was paid for the calls that these "
        "rows came from, those of rejected ones not included."
    )
    yield ""
    ks = sorted({k for one in subsets for k in one.pass_at})
    yield from _table(
        ("subset", "question", "solution", "tests", *(f"pass@{k}" for k in ks), "trust", "kill rate", "cost"),
        (
            (one.subset, _number(one.question_bytes, 0), _number(one.solution_bytes, 0), _number(one.tests, 0),
             *(_number(one.pass_at.get(k), 2) for k in ks), _number(one.trust, 2), _number(one.kill_rate, 2),
             "unknown" if one.cost_usd is None else f"${one.cost_usd:,.2f}")
            for one in subsets
        ),
    )  # fmt: skip


def _formats(manifest: Manifest) -> Iterator[str]:
    yield "## Formats"
    yield ""
    yield from _table(
        ("config", "version", "split", "rows", "files"),
        (
            (format, manifest.formats.get(format, ""), split, rows,
             sum(entry.format == format and entry.split == split for entry in manifest.files))
            for format in _ordered(manifest)
            for split, rows in sorted(manifest.counts.get(format, {}).items())
        ),
    )  # fmt: skip
    yield ""
    yield (
        f"Rows of `use_with_caution` are too near to a benchmark problem, and say so in `filter_reason`. "
        f"`{MANIFEST_FILE}` has the SHA-256 of every file and the selection that was asked for."
    )


def _loading(manifest: Manifest) -> Iterator[str]:
    yield "## Loading"
    yield ""
    yield "```python"
    yield "from datasets import load_dataset"
    yield ""
    yield "# ORG/NAME of this repository, or the folder that it was downloaded to"
    for format in _ordered(manifest):
        split, pattern = next(iter(_patterns(manifest, format).items()))
        if _is_config(manifest, format):
            yield f'rows = load_dataset("ORG/NAME", {json.dumps(format)}, split={json.dumps(split)})'
        else:
            files = json.dumps({split: f"hf://datasets/ORG/NAME/{pattern}"})
            yield f'rows = load_dataset("json", data_files={files}, split={json.dumps(split)})'
    yield "```"


def _making(manifest: Manifest, facts: Facts) -> Iterator[str]:
    yield "## How it was made"
    yield ""
    yield (
        "A model proposes questions from seeds, or they come from files; duplicates (exact, MinHash, embeddings) and "
        "what is too near to a benchmark are rejected or set apart. For each question solutions with tests are "
        "written and executed together, isolated, and what passes is executed again by another harness. Conversions "
        "and reasoning responses are kept if executing them proves them."
    )
    yield ""
    yield from _table(
        ("part", "provider", "model", "rows"),
        ((part, provider, model, count) for part, provider, model, count in facts.authors),
    )
    yield ""
    told = ", ".join(f"{count:,} {name}" for name, count in sorted(facts.verdicts.items()))
    yield f"Verdicts of the trials at these questions: {escaped(told) or 'none'}."
    yield ""
    yield f"The selection (`{MANIFEST_FILE}` also names the version of the code):"
    yield ""
    asked = [
        (name, value if isinstance(value, str) else json.dumps(value, sort_keys=True))
        for name, value in sorted(manifest.filters.items())
        if name != "canned"
    ]
    yield from _table(("filter", "value"), asked)
    if manifest.filters.get("canned"):
        yield ""
        yield "The texts are the canned answers of kodcode's demo, not those of a model."
    if manifest.prompt_versions:
        yield ""
        yield "Prompts, by the hash of their text:"
        yield ""
        yield from _table(("prompt", "versions"), sorted(manifest.prompt_versions.items()))


def _contamination(facts: Facts) -> Iterator[str]:
    yield "## Contamination"
    yield ""
    if not facts.benchmarks:
        yield "The questions were compared with no benchmark: nothing can be said of contamination."
        return
    questions = sum(subset.questions for subset in facts.subsets)
    compared = sum(nearest for _, nearest, _, _ in facts.benchmarks)
    yield (
        f"{compared:,} of {questions:,} questions were compared with these benchmarks: by cosine of embeddings, "
        "shared runs of words and weighted words, their solutions with the reference solutions. What was too near was "
        "rejected, or is in `use_with_caution`."
    )
    yield ""
    yield from _table(
        ("benchmark", "nearest to questions", "highest cosine", "questions set apart"),
        ((name, nearest, _number(cosine, 3), cautioned) for name, nearest, cosine, cautioned in facts.benchmarks),
    )


def _licence(licence: Licence, facts: Facts) -> Iterator[str]:
    yield "## Licence"
    yield ""
    yield f"**{escaped_sentence(licence.licence)}**, which follows from:"
    yield ""
    for reason in licence.reasons or ("No reason was recorded.",):
        yield f"* {escaped_sentence(reason)}"
    if licence.left_out:
        yield ""
        yield "Left out for their licence or the terms of a model (a row may count more than once):"
        yield ""
        yield from _table(("reason", "rows"), sorted(licence.left_out.items()))
    if facts.sources:
        yield ""
        yield "What the questions were made from:"
        yield ""
        yield from _table(
            ("source", "licence", "questions"),
            ((source, found or "not stated", count) for source, found, count in facts.sources),
        )


def _limits() -> Iterator[str]:
    yield "## Limits"
    yield ""
    yield "* A passing test proves a solution right as far as the test goes; both may share a misunderstanding."
    yield "* Difficulty is that of the models that made the attempts, and coarse where there were few."
    yield "* Questions, solutions and responses are synthetic or imported, in English and Python, and may be biased."
    yield "* Contamination is measured against the benchmarks named above only."
    yield "* The code is not reviewed by people: execute it in a sandbox only."


def escaped_sentence(value: object) -> str:
    """What may hold foreign words but is to be read to its end, as a licence is: escaped, but not cut."""
    return " ".join(_literal(_printable(value)).split())


def _printable(value: object) -> str:
    return _UNPRINTABLE.sub(" ", str(value)).encode("utf-8", "replace").decode()


def _literal(text: str) -> str:
    return _MARKUP.sub(r"\\\g<0>", _ENTITIES.sub(lambda found: f"&#{ord(found[0])};", text))


def _table(heads: Sequence[str], rows: Any) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'|'.join('---' for _ in heads)}|"
    for row in rows:
        cells = (f"{cell:,}" if isinstance(cell, int) else escaped(cell) for cell in row)
        yield f"| {' | '.join(cells)} |"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _ordered(manifest: Manifest) -> list[str]:
    """The formats with rows, KodCode-V1 first."""
    found = [format for format in manifest.formats if _patterns(manifest, format)]
    return sorted(found, key=lambda format: (format != "kodcode-v1", format))


def _patterns(manifest: Manifest, format: str) -> dict[str, str]:
    """Split -> glob of its files; splits without rows are left out, since not every loader reads an empty file."""
    counts = manifest.counts.get(format, {})
    one = {entry.split: entry.path for entry in manifest.files if entry.format == format and counts.get(entry.split)}
    found = {split: f"{PurePosixPath(path).parent}/*{PurePosixPath(path).suffix}" for split, path in one.items()}
    return dict(sorted(found.items(), key=lambda pair: (pair[0] != "train", pair[0])))


def _is_config(manifest: Manifest, format: str) -> bool:
    """Whether the header can name a format: `datasets` reads all that it names with one loader, here Parquet's."""
    return all(pattern.endswith(".parquet") for pattern in _patterns(manifest, format).values())


def _size(rows: int) -> str:
    return next((name for limit, name in _SIZES if rows < limit), "100M<n<1B")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.-]+", "-", text.lower()).strip("-") or "unknown"
