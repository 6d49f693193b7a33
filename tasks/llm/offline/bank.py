"""What the canned teacher knows: one TOML file a subset, with every answer to every question of it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

SHIPPED = Path(__file__).with_name("bank")
STYLES = ("instruct", "complete", "online_judge")
SOLVE_KINDS = ("right", "wrong_solution", "wrong_test", "syntax_error", "missing_marker", "endless_loop", "truncated")
RESPOND_KINDS = ("right", "wrong", "no_code", "truncated")

_SPACE = re.compile(r"\s+")
_FENCE = re.compile(r"^\s*```[a-z]*\s*$", re.MULTILINE)
_ENTRY_POINT = re.compile(r"^(?:async\s+)?(?:def|class)\s+(\w+)", re.MULTILINE)


class BankError(Exception):
    """A bank file is not as it must be; the message names file and entry."""


def squash(text: str) -> str:
    """`text` with every run of white space as one blank: how questions are compared."""
    return _SPACE.sub(" ", text).strip()


def section(text: str, name: str) -> str:
    """What stands between `<|NAME Begin|>` and `<|NAME End|>`, or nothing."""
    _, _, rest = text.partition(f"<|{name} Begin|>")
    inside, closed, _ = rest.partition(f"<|{name} End|>")
    return inside.strip() if closed else ""


@dataclass(frozen=True)
class Canned:
    """One answer. `kind` says what is right or wrong with it; `style` is set on reasoning answers only."""

    kind: str
    answer: str
    style: str = ""

    @property
    def finish_reason(self) -> str:
        return "length" if self.kind == "truncated" else "stop"


@dataclass(frozen=True)
class Entry:
    """One question and all that the teacher answers about it."""

    subset: str
    number: int
    before: str
    question: str
    after: str
    annotation: str | None
    solve: tuple[Canned, ...]
    complete: tuple[Canned, ...]
    online_judge: tuple[Canned, ...]
    respond: tuple[Canned, ...]

    @property
    def proposal(self) -> str:
        """The teacher's whole answer when asked for this question."""
        return self.before + self.question + self.after

    @cached_property
    def key(self) -> str:
        """The question as it is looked for in a prompt."""
        return squash(self.question)

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """The questions of style `complete` that the right conversions hold."""
        return tuple(filter(None, map(squash, self._completions)))

    @cached_property
    def statements(self) -> tuple[str, ...]:
        """The questions of style `online_judge` that the right conversions hold."""
        return tuple(filter(None, map(squash, self._statements)))

    @cached_property
    def titles(self) -> tuple[str, ...]:
        """The first lines of those statements."""
        return tuple(squash(text.splitlines()[0]) for text in self._statements if text)

    @cached_property
    def _statements(self) -> tuple[str, ...]:
        return tuple(section(c.answer, "Statement") for c in self.online_judge if c.kind == "right")

    @cached_property
    def entry_points(self) -> tuple[str, ...]:
        """Names that the right completions ask for, the last of each: helpers come first."""
        return tuple(found[-1] for found in map(_ENTRY_POINT.findall, self._completions) if found)

    @cached_property
    def _completions(self) -> tuple[str, ...]:
        fenced = (section(canned.answer, "Completion") for canned in self.complete if canned.kind == "right")
        return tuple(_FENCE.sub("", text).strip() for text in fenced)


class Bank:
    """All entries by subset."""

    def __init__(self, entries: Mapping[str, tuple[Entry, ...]]) -> None:
        self._entries = {_slug(subset): found for subset, found in entries.items()}
        self.subsets = tuple(entries)

    @classmethod
    def load(cls, folder: Path = SHIPPED) -> Bank:
        """Read every `NAME.toml` of `folder`. Raises BankError."""
        files = sorted(folder.glob("*.toml"))
        if not files:
            raise BankError(f"{folder} holds no bank files (NAME.toml, one a subset).")
        return cls({file.stem: tuple(_entries(file)) for file in files})

    def size(self, subset: str) -> int:
        """How many questions the teacher knows of `subset`."""
        return len(self.of(subset))

    def of(self, subset: str) -> tuple[Entry, ...]:
        return self._entries.get(_slug(subset), ())

    def everything(self, first: str = "") -> Iterator[Entry]:
        """All entries, those of subset `first` before the others."""
        yield from self.of(first)
        for slug, entries in self._entries.items():
            if slug != _slug(first):
                yield from entries


@cache
def shipped() -> Bank:
    """The bank that ships with the project, read once a process. Raises BankError."""
    return Bank.load()


def bank_size(subset: str) -> int:
    """How many questions of `subset` the shipped bank holds. Raises BankError."""
    return shipped().size(subset)


def _slug(subset: str) -> str:
    """Code_Contests and code-contests are one subset."""
    return subset.casefold().replace("-", "_")


def _entries(file: Path) -> Iterator[Entry]:
    try:
        with file.open("rb") as stream:
            data = tomllib.load(stream)
    except OSError as error:
        raise BankError(f"{file} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BankError(f"{file} is not TOML: {error}.") from None
    questions = data.get("question")
    if not isinstance(questions, list) or set(data) != {"question"}:
        raise BankError(f"{file} must hold a list of [[question]] tables and nothing else.")
    for number, table in enumerate(questions):
        yield _Reader(file, number, table).entry()


@dataclass(frozen=True)
class _Reader:
    """Reads one [[question]] table and says exactly what is wrong with it."""

    file: Path
    number: int
    table: Any

    def wrong(self, what: str) -> BankError:
        return BankError(f"{self.file}, question {self.number} (counted from 0): {what}")

    def entry(self) -> Entry:
        table = self.mapping(self.table, "the question")
        known = {"before", "question", "after", "annotation", "solve", "complete", "online_judge", "respond"}
        if unknown := sorted(table.keys() - known):
            raise self.wrong(f"unknown fields {', '.join(unknown)}; known are {', '.join(sorted(known))}.")
        entry = Entry(
            subset=self.file.stem,
            number=self.number,
            before=self.text(table, "before", ""),
            question=self.text(table, "question"),
            after=self.text(table, "after", ""),
            annotation=self.text(table, "annotation") if "annotation" in table else None,
            solve=self.answers("solve", SOLVE_KINDS),
            complete=self.answers("complete", None),
            online_judge=self.answers("online_judge", None),
            respond=self.answers("respond", RESPOND_KINDS),
        )
        if not entry.proposal.strip():
            raise self.wrong("before, question and after are all empty: there is no answer.")
        return entry

    def answers(self, name: str, kinds: tuple[str, ...] | None) -> tuple[Canned, ...]:
        listed = self.mapping(self.table, "the question").get(name, [])
        if not isinstance(listed, list):
            raise self.wrong(f"{name} must be [[question.{name}]] tables.")
        fields = {"kind", "answer"} | ({"style"} if name == "respond" else set())
        found = []
        for position, item in enumerate(listed):
            place = f"{name} {position}"
            table = self.mapping(item, place)
            if set(table) != fields:
                has, needs = ", ".join(sorted(table)), ", ".join(sorted(fields))
                raise self.wrong(f"{place} has the fields {has}; it needs {needs}.")
            canned = Canned(self.text(table, "kind"), self.text(table, "answer"), self.text(table, "style", ""))
            if kinds is not None and canned.kind not in kinds:
                raise self.wrong(f"{place}: kind {canned.kind!r} is none of {', '.join(kinds)}.")
            if name == "respond" and canned.style not in STYLES:
                raise self.wrong(f"{place}: style {canned.style!r} is none of {', '.join(STYLES)}.")
            found.append(canned)
        return tuple(found)

    def mapping(self, value: Any, place: str) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self.wrong(f"{place} must be a table.")
        return value

    def text(self, table: Mapping[str, Any], name: str, default: str | None = None) -> str:
        value = table.get(name, default)
        if not isinstance(value, str):
            raise self.wrong(f"{name} must be a text" + ("." if name in table else "; it is missing."))
        return value
