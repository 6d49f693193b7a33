"""Whether a model's output may train other models: the shipped table, and the user's own before it."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

SHIPPED = Path(__file__).with_name("models.toml")
Training = Literal["yes", "conditions", "no", "unknown"]
_REQUIRED = frozenset({"provider", "model", "training", "licence"})
_FIELDS = _REQUIRED | {"note", "source", "date"}


class TermsError(Exception):
    """A file of model terms cannot be used; the message names file, entry and field."""


@dataclass(frozen=True, slots=True)
class ModelTerms:
    """The terms of one model, or of those that a pattern names. `training`: whether output may train other models."""

    provider: str
    model: str
    training: Training
    licence: str  # SPDX identifier or LicenseRef-*
    note: str = ""
    source: str = ""
    date: date | None = None


UNKNOWN_TERMS = ModelTerms("*", "*", "unknown", "LicenseRef-Unknown-Model-Terms")


class TermsTable:
    """Terms by provider and model; the first entry that fits counts."""

    def __init__(self, entries: Sequence[ModelTerms]) -> None:
        self._entries = tuple(entries)

    @classmethod
    def load(cls, user_file: Path | None = None) -> TermsTable:
        """The shipped terms, those of `user_file` before them. Raises TermsError."""
        own = [] if user_file is None else _read(user_file)
        return cls([*own, *_read(SHIPPED)])

    def of(self, provider: str | None, model: str | None) -> ModelTerms:
        """The terms of a model; UNKNOWN_TERMS where no entry fits."""
        asked = ((provider or "").lower(), (model or "").lower())
        for entry in self._entries:
            if fnmatchcase(asked[0], entry.provider.lower()) and fnmatchcase(asked[1], entry.model.lower()):
                return entry
        return UNKNOWN_TERMS

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all entries in their order."""
        return hashlib.sha256(repr([astuple(entry) for entry in self._entries]).encode()).hexdigest()


def _read(file: Path) -> list[ModelTerms]:
    try:
        with file.open("rb") as stream:
            entries = tomllib.load(stream).get("terms", [])
    except OSError as error:
        raise TermsError(f"The file of model terms {file} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TermsError(f"The file of model terms {file} is not TOML: {error}.") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise TermsError(f"{file}: write each entry as [[terms]] and below it provider, model, training and licence.")
    return [_terms(file, number, entry) for number, entry in enumerate(entries, start=1)]


def _terms(file: Path, number: int, entry: dict[str, Any]) -> ModelTerms:
    wrong = sorted((entry.keys() - _FIELDS) | (_REQUIRED - entry.keys()))
    if wrong:
        raise TermsError(
            f"{file}: entry {number} lacks, or has too much, the fields {', '.join(wrong)}. There are "
            f"{', '.join(sorted(_FIELDS))}."
        )
    if entry["training"] not in get_args(Training):
        raise TermsError(f"{file}: entry {number}: training is one of {', '.join(get_args(Training))}.")
    dated = entry.get("date")
    texts = {name: entry.get(name, "") for name in _FIELDS - {"date"}}
    if not all(isinstance(text, str) for text in texts.values()) or not (dated is None or type(dated) is date):
        raise TermsError(f"{file}: entry {number}: all fields are texts, and date is written like 2026-01-31.")
    return ModelTerms(**texts, date=dated)
