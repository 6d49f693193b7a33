"""The libraries that trainers load data with read every format, in an environment of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tasks.backends import Backends
from tasks.filters import ReleaseFilters
from tasks.formats import (
    FORMATS,
    FileEntry,
    Format,
    Manifest,
    ResponseRecord,
    TripletRecord,
    chosen_formats,
    read_manifest,
)
from tasks.formats.card import CARD_FILE, Facts, Licence, card
from tasks.formats.reader import read_rows
from tasks.release import _make_release
from tasks.run import Run
from tasks.settings import REPOSITORY, Settings
from tasks.store import ArtifactStore
from tests.formats.verified import store
from tests.formats.written import write

UV = REPOSITORY / ".kodcode" / "boot" / "bin" / "uv"
LIBRARIES = ("datasets==5.2.0", "transformers>=4.57,<6", "jinja2")
TRL = "trl==1.16.0"
VERIFIERS = "verifiers==0.4.0"
TRAINERS = ("verl==0.9.1", "llamafactory==0.9.5")
# What their loaders import, without what they train and serve with. PyTorch comes with CUDA's libraries, used or not.
THEIRS = (
    ("torch==2.15.0", "numpy"),
    (
        "datasets==4.0.0", "trl==0.24.0", "transformers==5.5.4", "accelerate==1.11.0", "peft==0.18.1",
        "tensordict==0.15.3", "torchdata==0.11.0", "omegaconf", "hydra-core", "codetiming", "fire", "einops",
        "tiktoken", "sentencepiece", "pandas",
    ),
    ("ray", "torchaudio", "torchvision", "av", "pillow", "orjson"),
)  # fmt: skip
THEIR_BYTES = 12 * 10**9


def environment(folder: Path, *installs: Sequence[str]) -> Path:
    """A new interpreter with these arguments of `pip install` each."""
    python = folder / "bin" / "python"
    subprocess.run([UV, "venv", "-q", "-p", sys.executable, folder], check=True, timeout=60)
    for arguments in installs:
        subprocess.run([UV, "pip", "install", "-q", "-p", python, *arguments], check=True, timeout=600)
    return python


def consume(python: Path, script: str, *arguments: str | Path, **variables: str) -> Any:
    """What a script beside this file prints as its last line, as JSON; before it, libraries may talk."""
    done = subprocess.run(
        [python, Path(__file__).with_name(script), *arguments],
        env=os.environ | variables, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def write_beside(release: Path, format: Format, files: Sequence[FileEntry]) -> None:
    if format.companions is not None:
        for name, content in format.companions(1, files).items():
            path = release / format.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with `datasets` and TRL, this without its dependencies: its utilities do without PyTorch."""
    return environment(tmp_path_factory.mktemp("reader") / "python", LIBRARIES, ("--no-deps", TRL))


@pytest.mark.slow
def test_datasets_and_trl_read_every_format_as_it_was_written(
    tmp_path: Path, triplet: Callable[..., TripletRecord], reader: Path
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
    seen = consume(
        reader, "consume.py", release, tmp_path / "cache", HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "home")
    )
    for entry in (entry for entry in files if entry.rows):
        if entry.format not in ("kodcode-v1", "kodcode-v1-sft"):
            assert seen[f"{entry.format}/{entry.split}"] == list(read_rows(release / entry.path)), entry.path
        assert len(seen[f"{entry.format}/{entry.split}"]) == entry.rows


@pytest.mark.slow
def test_datasets_reads_a_release_as_its_files_are(
    database: Engine, artifacts: ArtifactStore, tmp_path: Path, reader: Path
) -> None:
    run = Run("run", Backends(Settings(data_dir=tmp_path), database, artifacts, None))
    for number in (1, 2, 1001):
        store(run, number)
    formats = chosen_formats(["messages", "messages-jsonl", "sharegpt", "dpo", "verl"])
    released = _make_release(run, ["Leetcode"], False, ReleaseFilters(), formats, False)
    folder = Path(released.path).parent
    seen = consume(
        reader, "consume.py", folder, tmp_path / "cache", HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "home")
    )
    written: dict[str, list[Any]] = {}
    for entry in sorted(read_manifest((folder / "manifest.json").read_bytes()).files, key=lambda entry: entry.path):
        if entry.rows:
            written.setdefault(f"{entry.format}/{entry.split}", []).extend(read_rows(folder / entry.path))
    assert {name: len(rows) for name, rows in written.items()} == dict.fromkeys(
        [f"{format.name}/train" for format in formats], 3
    )
    for row in (*seen["kodcode-v1/train"], *written["kodcode-v1/train"]):
        row["trials"] = row["trials"]["trial_gpt4o_0"]  # what there is none of is null, or a struct of nulls
    assert seen == written


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
def test_verl_and_llama_factory_load_and_reward(tmp_path: Path, triplet: Callable[..., TripletRecord]) -> None:
    if shutil.disk_usage(tmp_path).free < THEIR_BYTES:
        pytest.skip("PyTorch and CUDA's libraries need more than 6 GB, twice while they are installed")
    release = tmp_path / "release"
    record = triplet()
    answers = (f"```python\n{record.solution}```", "```python\ndef add(a, b):\n    return a - b\n```")
    for name in ("verl", "sharegpt"):
        responses = {record.triplet_id: [ResponseRecord(0, True, "Add them.", "Hm.", record.solution)]}
        write_beside(release, FORMATS[name], write(release, [FORMATS[name]], [record], responses))
    python = environment(tmp_path / "python", *THEIRS, ("--no-deps", *TRAINERS))
    reward = REPOSITORY / "tasks" / "sandbox" / "reward.py"
    told = consume(
        python, "consume_trainers.py", release, tmp_path / "work", reward, *answers,
        PYTHONPATH=str(REPOSITORY), HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "home"),
    )  # fmt: skip
    ((verl, _),) = [(row.columns, row.split) for row in FORMATS["verl"].rows(record, ())]
    assert (told["rows"], told["prompt"], told["rewards"]) == (1, verl["prompt"], [1.0, 0.0])
    question = {"role": "user", "content": record.question}
    answer = {"role": "assistant", "content": "<think>\nHm.\n</think>\n\nAdd them."}
    assert told["aligned"] == [[[question], [answer]]]


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
