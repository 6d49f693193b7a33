"""Makes releases and reads what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from sqlalchemy import text

from tasks.filters import ReleaseFilters
from tasks.formats import Manifest, chosen_formats, read_manifest
from tasks.release import Released, _make_release
from tasks.run import Run

EVERYTHING = ReleaseFilters()


def release(
    run: Run,
    formats: Sequence[str] = ("provenance",),  # which nothing has to be executed for
    filters: ReleaseFilters = EVERYTHING,
    prove_all: bool = False,
    number: int | None = None,
) -> Released:
    return _make_release(run, ["Leetcode", "Taco"], False, filters, chosen_formats(formats), prove_all, number)


def manifest_of(run: Run, number: int) -> Manifest:
    return read_manifest(run.backends.artifacts.get(f"releases/{number:06d}/manifest.json"))


def shards_of(run: Run, number: int) -> set[str]:
    with run.engine.connect() as connection:
        statement = text("select shard_id from kodcode.release_parts where release_id = :number")
        return set(connection.scalars(statement, {"number": number}))


def rows_of(run: Run, released: Released, format: str = "kodcode-v1") -> pl.DataFrame:
    return pl.read_parquet(Path(released.path).parent / format / "train" / "*.parquet")


def count(run: Run, table: str) -> int:
    with run.engine.connect() as connection:
        return int(connection.scalar(text(f"select count(*) from kodcode.{table}")) or 0)
