"""The rollup: what the views of sql/views need not count row by row. Triggers of migration 0012 keep it.

Its rows are entries that add up: every statement that writes to the work tables or the ledger adds, in its own
transaction, what it changed. Several may have the same key until `fold_rollup()` puts them into one; who reads sums.
Sums are exact (numeric), so that what is added and taken away leaves nothing behind.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Numeric, Table, Text, func, select
from sqlalchemy.engine import Connection

from tasks.store.schema.base import SCHEMA, Base


def _keys(*names: str, nullable: tuple[str, ...] = ()) -> list[Column[Any]]:
    return [Column(name, Text, nullable=name in nullable) for name in names]


def _hour() -> Column[Any]:
    return Column("hour", DateTime(timezone=True), nullable=False)


def _counts(*names: str) -> list[Column[Any]]:
    return [Column(name, BigInteger, nullable=False) for name in names]


def _sum(name: str) -> Column[Any]:
    return Column(name, Numeric, nullable=False)


# The ledger by hour (UTC, of `created_at`); `unpriced`: calls without a known cost.
rollup_calls = Table(
    "rollup_calls", Base.metadata, _hour(), *_keys("subset", "stage", "provider", "model"),
    *_counts("calls", "unpriced"), _sum("cost_usd"),
    *_counts("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens"), _sum("latency_s"),
)  # fmt: skip

# The four work tables; `stage` is question, trial, triplet or response, `style` is that of triplets and responses.
# `priced` and `unpriced` count the answers that the rows were made from, `coverages` the rows with a coverage ...
rollup_rows = Table(
    "rollup_rows", Base.metadata,
    *_keys(
        "stage", "subset", "style", "provider", "model", "prompt_version", "status", "reason",
        nullable=("style", "provider", "model", "prompt_version", "reason"),
    ),
    *_counts("rows", "priced", "unpriced"), _sum("cost_usd"),
    *(column for name in ("coverage", "kill_rate", "trust") for column in (*_counts(f"{name}s"), _sum(name))),
)  # fmt: skip

# Ended trials by the hour (UTC) of their `updated_at`.
rollup_hours = Table("rollup_hours", Base.metadata, _hour(), *_counts("trials", "passes"))

ROLLUPS = (rollup_calls, rollup_rows, rollup_hours)


def fold_rollup(connection: Connection) -> None:
    """Put entries of the same key into one; does nothing while another transaction does it."""
    connection.execute(select(getattr(func, SCHEMA).fold_rollup()))
