"""Decontamination: how near a question or its solution is to the problems of a benchmark, by five measures.

- `cosine`: the highest cosine of the embeddings (paper, section 2.4).
- `words`: the share of a problem's runs of n words (13 by default) that the question contains.
- `code`: the same over code tokens, in which signs count: it sees copied signatures, examples and stubs.
- `terms`: the Jaccard similarity of the words, weighted by what is characteristic of a problem: it sees short problems
  in other words, of which no run of n words and no high cosine is left.
- `solution`: the share of the n-grams of a reference solution that our solution contains, names of functions,
  parameters and variables aside.

A share is of the problem's n-grams, not of the question's: a problem hidden in a longer question is found whole.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tasks import syntax
from tasks.screening.embedding import Vectors
from tasks.screening.normalise import normalise, words
from tasks.screening.rules import Thresholds
from tasks.screening.terms import Terms
from tasks.screening.vectors import Neighbour, VectorIndex

Measure = Literal["cosine", "words", "code", "terms", "solution"]

# A shorter text or solution is too common to be anybody's: "sort a list of integers", `return sum(x)`.
LEAST_WORDS = 10
LEAST_SOLUTION_TOKENS = 40

_CODE_TOKEN = re.compile(r"[^\W\d]\w*|\d+|[^\w\s]")
_NAME = re.compile(r"(?<![\w.])[^\W\d]\w*")  # not an attribute


@dataclass(frozen=True, slots=True)
class Finding:
    """A benchmark item that is too near by one measure. `value` is a cosine, a similarity or a share, at or above
    `threshold`."""

    measure: Measure
    benchmark: str
    item_id: str
    value: float
    threshold: float

    def told(self, ngram: int, model: str) -> str:
        """The finding in words, for people."""
        item = f"{self.item_id} of {self.benchmark}"
        if self.measure == "cosine":
            return f"cosine {self.value:.3f} with {item} (embedder {model})"
        if self.measure == "terms":
            return f"weighted Jaccard similarity {self.value:.2f} of the words with {item}"
        kind = {"words": "the word", "code": "the code-token", "solution": "the reference solution's"}[self.measure]
        return f"{self.value:.0%} of {kind} {ngram}-grams of {item}"


@dataclass(frozen=True, slots=True)
class KnownProblem:
    """A stored benchmark item with its vector."""

    benchmark: str
    item_id: str
    text: str
    solution: str | None
    vector: Vectors


class Guard:
    """All benchmark items, ready to be compared with. n-grams are hashed per process and never stored."""

    def __init__(self, problems: Sequence[KnownProblem], thresholds: Thresholds, model: str) -> None:
        self._thresholds = thresholds
        self._model = model
        self._problems = problems
        self._vectors = VectorIndex()
        if problems:
            self._vectors.extend(np.stack([problem.vector for problem in problems]))
        texts = [normalise(problem.text) for problem in problems]
        self._words = _Shares(map(words, texts), thresholds.ngram, LEAST_WORDS)
        self._code = _Shares(map(code_tokens, texts), thresholds.ngram, LEAST_WORDS)
        self._terms = Terms(map(words, texts))
        self._solutions: _Shares | None = None

    def __bool__(self) -> bool:
        return bool(self._problems)

    def nearest(self, vectors: Vectors) -> list[Neighbour]:
        """For each vector the item of highest cosine; empty without benchmarks."""
        return self._vectors.nearest(vectors)

    def item(self, neighbour: Neighbour) -> tuple[str, str]:
        """(benchmark, item id)."""
        problem = self._problems[neighbour.row]
        return problem.benchmark, problem.item_id

    def of_question(self, text: str, nearest: Neighbour | None) -> tuple[Finding, ...]:
        """What a question's text is too near to; `nearest` is what `nearest()` said of its vector."""
        found: list[Finding | None] = []
        if nearest is not None and nearest.cosine > self._thresholds.benchmark_cosine:
            found.append(
                Finding("cosine", *self.item(nearest), nearest.cosine, self._thresholds.benchmark_cosine)
            )
        normalised = normalise(text)
        tokens = words(normalised)
        found.append(self._finding("words", self._words.best(tokens), self._thresholds.ngram_share))
        best_code = self._code.best(code_tokens(normalised))
        found.append(self._finding("code", best_code, self._thresholds.ngram_share))
        found.append(self._finding("terms", self._terms.best(tokens), self._thresholds.terms_jaccard))
        return tuple(finding for finding in found if finding is not None)

    def of_solution(self, solution: str) -> Finding | None:
        """The reference solution that is contained in ours, if any."""
        if self._solutions is None:
            references = (solution_functions(problem.solution or "") for problem in self._problems)
            self._solutions = _Shares(references, self._thresholds.ngram, LEAST_SOLUTION_TOKENS)
        best = self._solutions.best(solution_functions(solution))
        return self._finding("solution", best, self._thresholds.solution_share)

    def told(self, findings: Iterable[Finding]) -> str:
        """Findings in one line, for people."""
        return "; ".join(finding.told(self._thresholds.ngram, self._model) for finding in findings)

    def _finding(self, measure: Measure, best: tuple[int, float] | None, threshold: float) -> Finding | None:
        if best is None or best[1] < threshold:
            return None
        problem = self._problems[best[0]]
        return Finding(measure, problem.benchmark, problem.item_id, best[1], threshold)


class _Shares:
    """n-grams of many documents, and which share of a document's another text contains.

    A document may be several runs of tokens, whose n-grams do not cross. One that is shorter than n is a single gram;
    below `least` tokens it is left out.
    """

    def __init__(self, documents: Iterable[Sequence[str] | Sequence[Sequence[str]]], ngram: int, least: int) -> None:
        self._ngram = ngram
        self._owners: dict[int, dict[int, list[int]]] = {}  # size -> gram -> documents
        self._sizes: Counter[int] = Counter()
        for number, document in enumerate(documents):
            grams: set[tuple[int, int]] = set()
            for run in _runs(document):
                if len(run) >= least:
                    size = min(ngram, len(run))
                    grams.update((size, gram) for gram in _grams(run, size))
            self._sizes[number] = len(grams)
            for size, gram in grams:
                self._owners.setdefault(size, {}).setdefault(gram, []).append(number)

    def best(self, text: Sequence[str] | Sequence[Sequence[str]]) -> tuple[int, float] | None:
        """(document, share) of the document that is contained most, the first of equals."""
        hits: Counter[int] = Counter()
        for size, owners in self._owners.items():
            grams = {gram for run in _runs(text) for gram in _grams(run, size)}
            for gram in grams & owners.keys():
                hits.update(owners[gram])
        if not hits:
            return None
        shares = {number: count / self._sizes[number] for number, count in hits.items()}
        number = min(shares, key=lambda key: (-shares[key], key))
        return number, shares[number]


def _runs(document: Sequence[str] | Sequence[Sequence[str]]) -> list[Sequence[str]]:
    if not document:
        return []
    return [document] if isinstance(document[0], str) else list(document)  # type: ignore[list-item]


def _grams(tokens: Sequence[str], size: int) -> set[int]:
    return {hash(tuple(tokens[start : start + size])) for start in range(len(tokens) - size + 1)}


def code_tokens(text: str) -> list[str]:
    """Names, numbers and single signs."""
    return _CODE_TOKEN.findall(text)


def solution_functions(source: str) -> list[list[str]]:
    """The code tokens of each function of a Python source, with parameters and variables named by their order.

    Docstrings, annotations, decorators and the function's own name are left out. Empty for what is no Python.
    """
    try:
        tree = syntax.parse(source)
        return [
            code_tokens(_canonical(node))
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _canonical(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    own: dict[str, str] = {function.name: "f"}
    arguments = function.args
    listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    listed += [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    for name in [argument.arg for argument in listed] + [
        node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]:
        own.setdefault(name, f"v{len(own)}")
    body = function.body if ast.get_docstring(function, clean=False) is None else function.body[1:]
    parameters = " ".join(own[argument.arg] for argument in listed)
    statements = (_NAME.sub(lambda name: own.get(name[0], name[0]), ast.unparse(statement)) for statement in body)
    return "\n".join([parameters, *statements])
