"""Rows in the layout of KodCode-V1 (both editions) and KodCode-V1-SFT: all trials, ids and conversions."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tasks.imports.rows import ImportedRow, Pair, UnusableRow, text_of
from tasks.store.schema import storable
from tasks.subsets import SUBSETS

COLUMNS = frozenset({
    "question_id", "style", "subset", "question", "solution", "test", "test_code", "trials", "metadata",
    "gpt_pass_sequence", "gpt_difficulty",
})  # fmt: skip
_REQUIRED = frozenset({"question_id", "style", "subset", "question", "solution"})
_ID = re.compile(r"(?P<subset>[A-Za-z]+(?:_[A-Za-z]+)*)_(?P<number>\d{1,8})(?:_(?P<style>[ICO]))?", re.ASCII)
_STYLES = {"I": "instruct", "C": "complete", "O": "online_judge"}
_TRIAL = re.compile(r"trial_\w*?(\d{1,3})", re.ASCII)
_OWN_SOURCE = re.compile(r"(\S+) [0-9a-f]{64}")  # how our releases name a trial's model and request


def is_kodcode(names: frozenset[str]) -> bool:
    """Whether these are the columns of one of the layouts."""
    return names >= _REQUIRED and bool(names & {"test", "test_code"})


def read_kodcode(number: int, row: Mapping[str, Any]) -> ImportedRow:
    """A row of KodCode-V1 or KodCode-V1-SFT. Raises UnusableRow.

    Style and number are those that the id tells: some published conversions call themselves instruct.
    """
    row_id, subset = text_of(row, "question_id"), text_of(row, "subset")
    if subset not in SUBSETS:
        raise UnusableRow("unknown_subset", f"the subset {subset!r} is none of {', '.join(SUBSETS)}")
    found = _ID.fullmatch(row_id)
    style = _STYLES[found["style"]] if found and found["style"] else text_of(row, "style")
    if style not in _STYLES.values():
        raise UnusableRow("unknown_style", f"the style {style!r} is none of {', '.join(_STYLES.values())}")
    test_column = "test" if row.get("test") is not None else "test_code"
    own = (text_of(row, "question"), text_of(row, "solution"), text_of(row, test_column))
    question = own[0] if style == "instruct" else _original(row)
    pairs = tuple(_trials(row.get("trials")))
    stated = Pair(own[1], own[2])
    # The program and the cases of online_judge are no pair of the instruct question.
    if style == "instruct" and not any((pair.solution, pair.test) == own[1:] for pair in pairs):
        pairs = (*pairs, stated)
    elif not pairs and style == "complete":
        pairs = (stated,)
    return ImportedRow(
        row=number,
        subset=subset,
        question=question,
        pairs=pairs,
        number=int(found["number"]) if found and found["subset"] == subset else None,
        style=style,
        converted=None if style == "instruct" else own,
        claim=_finite(storable({
            "question_id": row_id,
            "pass_sequence": row.get("gpt_pass_sequence"),
            "difficulty": row.get("gpt_difficulty"),
        })),
    )  # fmt: skip


def _finite(value: Any) -> Any:
    """`value` with None for NaN and infinities, which pandas and Python's JSON have and PostgreSQL's has not."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value


def _original(row: Mapping[str, Any]) -> str:
    metadata = row.get("metadata")
    try:
        return text_of(metadata if isinstance(metadata, dict) else {}, "original_instruction")
    except UnusableRow as problem:
        raise UnusableRow(
            "no_source", f"a conversion without its instruct question in metadata: {problem.detail}"
        ) from None


def _trials(trials: object) -> Iterator[Pair]:
    """The attempts in the order of their numbers; one without code was made and could not be read."""
    if not isinstance(trials, dict):
        return
    numbered = ((_TRIAL.fullmatch(str(name)), trial) for name, trial in trials.items())
    found = {int(match[1]): trial for match, trial in numbered if match and isinstance(trial, dict)}
    for attempt, trial in sorted(found.items()):
        if any(value is not None for value in trial.values()):
            solution, test = _code(trial.get("solution_code")), _code(trial.get("test_code"))
            whole = solution is not None and test is not None
            yield Pair(solution if whole else None, test if whole else None, attempt, _model(trial.get("file_source")))


def _code(value: object) -> str | None:
    return str(storable(value)) if isinstance(value, str) and value.strip() else None


def _model(file_source: object) -> str | None:
    found = _OWN_SOURCE.fullmatch(file_source) if isinstance(file_source, str) else None
    return str(storable(found[1])) if found else None
