"""An environment package for Prime Intellect's `verifiers` (its v1 API): rows as JSON Lines and a taskset beside them.

The release's folder is the package: `pip install` it next to kodcode, whose sandbox gives the reward, and name the
taskset `kodcode_env`. Splits are chosen by `--env.taskset.split`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from tasks.formats import layout, rl
from tasks.formats.format import Format, Rewarded, Row
from tasks.formats.layout import DIFFICULTY, QUESTION_ID, Column
from tasks.formats.records import FormattedRow, ResponseRecord, TripletRecord
from tasks.formats.writer import FileEntry
from tasks.sandbox import Sandbox
from tasks.sandbox.reward import compute_score

NAME = "verifiers"
VERSION = "1"
PACKAGE = "kodcode_env"

_COLUMNS: tuple[Column, ...] = (
    ("id", *QUESTION_ID[1:]),
    ("prompt", pa.string(), "The question, the declarations that the test calls, and the fence that code belongs in."),
    ("ground_truth", pa.string(), "pytest source, or for online_judge JSON with lists `stdin` and `stdout`."),
    DIFFICULTY,
)

_PYPROJECT = """\
# Release {release:06d} of kodcode. The reward runs in kodcode's sandbox: install kodcode first, from its repository.
[project]
name = "kodcode-env"
version = "{release}"
requires-python = ">=3.11"
dependencies = ["verifiers>=0.4,<0.5", "kodcode"]

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[tool.hatch.build.targets.wheel]
packages = ["{package}"]

[tool.hatch.build.targets.wheel.force-include]
{includes}
"""

_INIT = """\
from kodcode_env.taskset import KodcodeTaskset

__all__ = ["KodcodeTaskset"]
"""

_TASKSET = '''\
"""Verified coding tasks; an answer is rewarded where its code passes the task's test in kodcode's sandbox."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import verifiers.v1 as vf
from tasks.sandbox.reward import compute_score

HERE = Path(__file__).parent
# Installed, the rows are inside the package; in the release's folder they are beside it.
ROWS = HERE / "rows" if (HERE / "rows").is_dir() else HERE.parent
LIMITS = {limits}


class KodcodeData(vf.TaskData):
    ground_truth: str
    difficulty: str


class KodcodeTask(vf.Task[KodcodeData]):
    @vf.reward(weight=1.0)
    async def tests_pass(self, trace: vf.Trace) -> float:
        return await asyncio.to_thread(compute_score, trace.last_reply, self.data.ground_truth, LIMITS)


class KodcodeConfig(vf.TasksetConfig):
    split: Literal["train", "use_with_caution"] = "train"


class KodcodeTaskset(vf.Taskset[KodcodeTask, KodcodeConfig]):
    def load(self) -> Iterator[KodcodeTask]:
        for path in sorted((ROWS / self.config.split).glob("*.jsonl")):
            with path.open(encoding="utf-8", newline="\\n") as lines:
                for line in lines:
                    yield KodcodeTask(KodcodeData(**json.loads(line)), self.config.task)
'''


def rows(record: TripletRecord, responses: Sequence[ResponseRecord]) -> Iterator[FormattedRow]:
    """One row a triplet; answers play no part."""
    columns = {
        "id": record.triplet_id,
        "prompt": rl.prompt_of(record),
        "ground_truth": rl.ground_truth(record),
        "difficulty": record.difficulty,
    }
    yield FormattedRow(layout.split_of(record), columns)


def score(row: Row, answer: str, sandbox: Sandbox) -> float:
    """What the package's reward function says of an answer."""
    return compute_score(answer, row["ground_truth"], rl.LIMITS, sandbox=sandbox)


def package(release: int, files: Sequence[FileEntry]) -> Mapping[str, bytes]:
    """The package's own files."""
    includes = "\n".join(f'"{split}" = "{PACKAGE}/rows/{split}"' for split in layout.SPLITS)
    project = _PYPROJECT.format(release=release, package=PACKAGE, includes=includes)
    return {
        "pyproject.toml": project.encode(),
        f"{PACKAGE}/__init__.py": _INIT.encode(),
        f"{PACKAGE}/taskset.py": _TASKSET.replace("{limits}", repr(rl.LIMITS)).encode(),
    }


FORMAT = Format(
    name=NAME,
    version=VERSION,
    splits=layout.SPLITS,
    columns=_COLUMNS,
    rows=rows,
    file_type="jsonl",
    companions=package,
    proof=Rewarded(score),
    row_id=lambda row: str(row["id"]),
)
