"""What a release is made of: verified triplets with their trials and responses, free of any file layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One judged attempt at the question. What could not be read out of the answer is None."""

    attempt: int
    verdict: str | None  # how the execution ended (`passed`, `timed_out`, ...); None: there was nothing to execute
    solution: str | None = None
    test: str | None = None
    coverage: float | None = None  # line coverage of the solution, percent
    source: str | None = None  # where the answer came from, e.g. model and request hash


@dataclass(frozen=True, slots=True)
class FunctionRecord:
    """A function of the solution that the test calls."""

    function_name: str
    parameter_list: str
    function_declaration: str
    docstring: str | None = None


@dataclass(frozen=True, slots=True)
class NearestProblem:
    """The most similar item of the benchmarks that the question was compared with."""

    benchmark: str
    item_id: str
    text: str
    similarity: float  # cosine


@dataclass(frozen=True, slots=True)
class AuthorRecord:
    """A model that wrote a part of the row (question, solution, conversion, response), and its terms."""

    part: str
    provider: str
    model: str
    licence: str  # of its output: SPDX identifier or LicenseRef-*
    training: str  # whether that may train other models: yes, conditions, no, unknown


@dataclass(frozen=True, slots=True)
class TripletRecord:
    """A verified question, solution and test in one style, with the history that the layouts publish."""

    triplet_id: str  # Leetcode_00000012_I
    subset: str
    style: str
    question: str
    solution: str
    test: str
    number: int  # of the question in its subset
    difficulty: str
    pass_sequence: tuple[int, ...]  # 1 where the attempt of this place passed
    chosen_attempt: int | None
    trials: tuple[TrialRecord, ...] = ()
    functions: tuple[FunctionRecord, ...] = ()
    original_question: str | None = None  # of the instruct style, where this is a conversion
    seed_ids: tuple[str, ...] = ()
    nearest: NearestProblem | None = None
    filter_reason: str | None = None  # why the row is to be used with caution
    seed_licences: tuple[str, ...] = ()  # as they were declared; NOASSERTION where a seed has none
    authors: tuple[AuthorRecord, ...] = ()  # of the responses that are shown too
    licence: str | None = None  # SPDX expression that follows from seeds and authors


@dataclass(frozen=True, slots=True)
class ResponseRecord:
    """One judged reasoning answer. Answers that infrastructure kept from being judged are no record yet."""

    attempt: int
    passed: bool
    text: str
    reasoning: str | None = None  # where the provider keeps it apart from the text
    code: str | None = None
    verdict: str | None = None  # how the execution of the code ended; None: there was nothing to execute


@dataclass(frozen=True, slots=True)
class FormattedRow:
    """A row of a layout and the split it belongs to."""

    split: str
    columns: Mapping[str, Any]
