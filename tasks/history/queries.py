"""The named queries of sql/queries: a question, its parameters with their defaults, and the SQL that answers it.

A file begins with its question and a line for each parameter:

    -- Which solutions that passed ran longest?
    -- param rows int = 50: rows to show
    select ... limit :rows
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Date, Float, Text, TextClause, bindparam, text
from sqlalchemy.types import TypeEngine

QUERIES = Path(__file__).resolve().parents[2] / "sql" / "queries"
_PARAMETER = re.compile(r"-- param (?P<name>[a-z_]+) (?P<kind>[a-z]+) = (?P<default>[^:]*): (?P<meaning>.+)")
_TYPES: dict[str, TypeEngine[Any]] = {"int": BigInteger(), "float": Float(), "text": Text(), "date": Date()}
_READERS: dict[str, Any] = {"int": int, "float": float, "text": str, "date": date.fromisoformat}
_LOOKS = {"int": "a whole number", "float": "a number", "text": "a text", "date": "a day like 2026-11-25"}


class QueryError(Exception):
    """No named query of this name, or a parameter that it does not take."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """`default` None means: no condition."""

    name: str
    kind: str  # int, float, text or date
    default: Any
    meaning: str

    def read(self, value: str) -> Any:
        """The typed value. Raises QueryError."""
        if value == "null":
            return None
        try:
            return _READERS[self.kind](value)
        except ValueError:
            raise QueryError(f"The parameter {self.name} takes {_LOOKS[self.kind]}, not {value!r}.") from None


@dataclass(frozen=True, slots=True)
class NamedQuery:
    name: str
    question: str
    parameters: tuple[Parameter, ...]
    sql: str

    def statement(self, values: Mapping[str, str]) -> TextClause:
        """The query with `values` bound to its parameters, and defaults to the others.

        Values are sent beside the SQL, never as a part of it. Raises QueryError.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        if unknown := sorted(values.keys() - known.keys()):
            takes = f"It takes {', '.join(known)}." if known else "It takes none."
            raise QueryError(f"@{self.name} has no parameter {', '.join(unknown)}. {takes}")
        return text(self.sql).bindparams(
            *(
                bindparam(name, one.read(values[name]) if name in values else one.default, type_=_TYPES[one.kind])
                for name, one in known.items()
            )
        )


def named_queries() -> dict[str, NamedQuery]:
    """All queries of sql/queries by name."""
    return {path.stem: _parse(path.stem, path.read_text("utf-8")) for path in sorted(QUERIES.glob("*.sql"))}


def named_query(name: str) -> NamedQuery:
    """The query of this name. Raises QueryError."""
    path = QUERIES / f"{name}.sql"
    if not re.fullmatch(r"[a-z0-9_]+", name) or not path.exists():
        raise QueryError(f"There is no query @{name}; `kodcode sql --list` shows those that there are.")
    return _parse(name, path.read_text("utf-8"))


def _parse(name: str, content: str) -> NamedQuery:
    first, *rest = content.splitlines()
    parameters = []
    for line in rest:
        if not (found := _PARAMETER.fullmatch(line)):
            break
        unset = Parameter(found["name"], found["kind"], None, found["meaning"])
        parameters.append(Parameter(unset.name, unset.kind, unset.read(found["default"]), unset.meaning))
    body = "\n".join(rest[len(parameters) :])
    return NamedQuery(name, first.removeprefix("-- "), tuple(parameters), body)
