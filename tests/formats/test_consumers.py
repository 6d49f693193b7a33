"""The libraries that trainers load data with read every format, in an environment of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.formats import FORMATS, ResponseRecord, TripletRecord
from tasks.formats.reader import read_rows
from tasks.settings import REPOSITORY
from tests.formats.written import write

UV = REPOSITORY / ".kodcode" / "boot" / "bin" / "uv"
# TRL itself without its dependencies: its utilities for datasets do without PyTorch.
LIBRARIES = ("datasets==5.2.0", "transformers>=4.57,<6", "jinja2")
TRL = "trl==1.16.0"


@pytest.fixture(scope="module")
def consumers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has them."""
    folder = tmp_path_factory.mktemp("consumers")
    python = folder / "bin" / "python"
    for command in (
        ("venv", "-q", "-p", sys.executable, str(folder)),
        ("pip", "install", "-q", "-p", str(python), *LIBRARIES),
        ("pip", "install", "-q", "-p", str(python), "--no-deps", TRL),
    ):
        subprocess.run([UV, *command], check=True, timeout=600)
    return python


@pytest.mark.slow
def test_datasets_and_trl_read_every_format_as_it_was_written(
    consumers: Path, tmp_path: Path, triplet: Callable[..., TripletRecord]
) -> None:
    record = triplet()
    answers = [ResponseRecord(0, True, "right", "é\u2028", "a"), ResponseRecord(1, False, "wrong", None, "b")]
    caution = triplet(13, filter_reason="why")
    release = tmp_path / "release"
    files = write(
        release, list(FORMATS.values()), [record, caution], {one.triplet_id: answers for one in (record, caution)}
    )
    for format in FORMATS.values():
        if format.companions is not None:
            for name, content in format.companions(1, files).items():
                (release / format.name / name).write_bytes(content)
    done = subprocess.run(
        [consumers, Path(__file__).with_name("consume.py"), release, tmp_path / "cache"],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    for entry in (entry for entry in files if entry.rows):
        if entry.format not in ("kodcode-v1", "kodcode-v1-sft"):
            assert seen[f"{entry.format}/{entry.split}"] == list(read_rows(release / entry.path)), entry.path
        assert len(seen[f"{entry.format}/{entry.split}"]) == entry.rows
