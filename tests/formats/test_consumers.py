"""The libraries that trainers load data with read every format, in an environment of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tasks.formats import FORMATS, FileEntry, Format, Manifest, ResponseRecord, TripletRecord
from tasks.formats.card import CARD_FILE, Facts, Licence, card
from tasks.formats.reader import read_rows
from tasks.settings import REPOSITORY
from tests.formats.written import write

UV = REPOSITORY / ".kodcode" / "boot" / "bin" / "uv"
LIBRARIES = ("datasets==5.2.0", "transformers>=4.57,<6", "jinja2")
TRL = "trl==1.16.0"
VERIFIERS = "verifiers==0.4.0"


def environment(folder: Path, *installs: Sequence[str]) -> Path:
    """A new interpreter with these arguments of `pip install` each."""
    python = folder / "bin" / "python"
    subprocess.run([UV, "venv", "-q", "-p", sys.executable, folder], check=True, timeout=60)
    for arguments in installs:
        subprocess.run([UV, "pip", "install", "-q", "-p", python, *arguments], check=True, timeout=600)
    return python


def consume(python: Path, script: str, *arguments: str | Path, **variables: str) -> Any:
    """What a script beside this file prints, as JSON."""
    done = subprocess.run(
        [python, Path(__file__).with_name(script), *arguments],
        env=os.environ | variables, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def write_beside(release: Path, format: Format, files: Sequence[FileEntry]) -> None:
    if format.companions is not None:
        for name, content in format.companions(1, files).items():
            path = release / format.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


@pytest.mark.slow
def test_datasets_and_trl_read_every_format_as_it_was_written(
    tmp_path: Path, triplet: Callable[..., TripletRecord]
) -> None:
    record = triplet()
    answers = [ResponseRecord(0, True, "right", "é\u2028", "a"), ResponseRecord(1, False, "wrong", None, "b")]
    caution = triplet(13, filter_reason="why")
    release = tmp_path / "release"
    files = write(
        release, list(FORMATS.values()), [record, caution], {one.triplet_id: answers for one in (record, caution)}
    )
    for format in FORMATS.values():
        write_beside(release, format, files)
    # TRL itself without its dependencies: its utilities for datasets do without PyTorch.
    python = environment(tmp_path / "python", LIBRARIES, ("--no-deps", TRL))
    seen = consume(
        python, "consume.py", release, tmp_path / "cache", HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "home")
    )
    for entry in (entry for entry in files if entry.rows):
        if entry.format not in ("kodcode-v1", "kodcode-v1-sft"):
            assert seen[f"{entry.format}/{entry.split}"] == list(read_rows(release / entry.path)), entry.path
        assert len(seen[f"{entry.format}/{entry.split}"]) == entry.rows


@pytest.mark.slow
def test_verifiers_loads_the_environment_and_rewards_by_it(
    tmp_path: Path, triplet: Callable[..., TripletRecord]
) -> None:
    format = FORMATS["verifiers"]
    write_beside(tmp_path, format, write(tmp_path, [format], [triplet(), triplet(13, filter_reason="why")]))
    python = environment(tmp_path / "python", (VERIFIERS,))
    answers = (f"```python\n{triplet().solution}```", "```python\ndef add(a, b):\n    return a - b\n```")
    found = consume(
        python,
        "consume_verifiers.py",
        *answers,
        PYTHONPATH=os.pathsep.join((str(REPOSITORY), str(tmp_path / format.name))),
    )
    assert found == {triplet().triplet_id: [1.0, 0.0]}


@pytest.mark.slow
def test_datasets_loads_a_release_by_its_card(tmp_path: Path, triplet: Callable[..., TripletRecord]) -> None:
    formats = [FORMATS[name] for name in ("kodcode-v1", "messages-jsonl", "verl")]
    release = tmp_path / "release"
    responses = {"Leetcode_00000012_I": [ResponseRecord(0, True, "right", None, "a")]}
    files = write(release, formats, [triplet(), triplet(13, filter_reason="why")], responses)
    manifest = Manifest({format.name: format.version for format in formats}, tuple(files))
    (release / CARD_FILE).write_bytes(card(1, manifest, Facts([], [], [], [], {}), Licence("MIT", "mit")))
    python = environment(tmp_path / "python", LIBRARIES)
    told = consume(python, "consume_card.py", release, tmp_path / "cache", HF_HUB_OFFLINE="1")
    both = {"train": 1, "use_with_caution": 1}
    # One loader reads all that a header names, so JSON lines are told apart from it.
    assert told["configs"] == {"kodcode-v1": both, "verl": both}
    assert told["default"] == FORMATS["kodcode-v1"].schema.names
