"""How fast rows are released, in how much memory, and what the next release costs where one in a hundred is new."""

from __future__ import annotations

import os
import time
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import Engine

from tasks.backends import Backends
from tasks.filters import ReleaseFilters
from tasks.formats import FORMATS, chosen_formats
from tasks.release import Released, _make_release
from tasks.run import Run
from tasks.settings import Settings
from tasks.store import ArtifactStore
from tests.benchmarks.measure import cpu_s, peak_memory_mb
from tests.benchmarks.releases import SUBSETS, draw

pytestmark = pytest.mark.benchmark

ROWS = int(os.environ.get("KODCODE_BENCHMARK_ROWS", "450000"))


def release(run: Run) -> tuple[float, float, Released]:
    """Seconds, processor seconds and the release of all rows in KodCode-V1, which nothing has to be executed for."""
    begun, cpu = time.perf_counter(), cpu_s()
    released = _make_release(run, SUBSETS, False, ReleaseFilters(), chosen_formats(["provenance"]), False)
    return time.perf_counter() - begun, cpu_s() - cpu, released


def write(frame: pl.DataFrame, folder: Path) -> tuple[float, float]:
    """Seconds and processor seconds of our writer for the rows of a frame, made into dictionaries beforehand."""
    seconds = cpu = 0.0
    with FORMATS["kodcode-v1"].writer(folder) as writer:
        for piece in frame.iter_slices(5_000):
            rows = piece.to_dicts()
            begun, used = time.perf_counter(), cpu_s()
            for row in rows:
                writer.add("train", row)
            seconds, cpu = seconds + time.perf_counter() - begun, cpu + cpu_s() - used
    return seconds, cpu


def test_release(database: Engine, artifacts: ArtifactStore, tmp_path: Path) -> None:
    run = Run("run", Backends(Settings(data_dir=tmp_path), database, artifacts, None))
    draw(database, 0, ROWS)
    with peak_memory_mb() as peak:
        first_clock, whole, first = release(run)
        memory = peak()
    print(f"{ROWS} rows released in {first_clock:.1f} s, {whole:.1f} s CPU, peak {memory:.0f} MB")

    draw(database, ROWS, ROWS + ROWS // 100)
    next_clock, growth, second = release(run)
    print(f"1 % more: {next_clock:.1f} s, {growth:.2f} s CPU, {next_clock / first_clock:.1%} of the time")
    clock, again, third = release(run)
    print(f"nothing new: {clock:.1f} s, {again:.2f} s CPU, {clock / first_clock:.1%} of the time")

    frame = pl.read_parquet(Path(first.path) / "train" / "*.parquet")
    begun, cpu = time.perf_counter(), cpu_s()
    frame.write_parquet(tmp_path / "frame.parquet")
    polars_clock, polars = time.perf_counter() - begun, cpu_s() - cpu
    size = frame.estimated_size() / ROWS
    print(f"polars writes this frame ({size:.0f} bytes a row) in {polars_clock:.1f} s, {polars:.1f} s CPU")
    clock, ours = write(frame, tmp_path / "ours")
    print(f"our writer writes its rows in {clock:.1f} s, {ours:.1f} s CPU: {polars / ours:.0%} of its rate")
    rates = polars_clock / first_clock, polars / whole
    print(f"the release with all that it reads has {rates[0]:.0%} of its rate, {rates[1]:.0%} by CPU")
    assert (first.rows, second.rows, third.number, third.new) == (ROWS, ROWS + ROWS // 100, 2, False)
    assert memory < 1_500
    if ROWS >= 100_000:  # of fewer rows, a shard that is made again is too large a part
        assert next_clock / first_clock < 0.05
    assert min(polars / ours, polars / whole) >= 0.5
