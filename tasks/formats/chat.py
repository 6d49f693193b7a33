"""SFT conversations: `messages` as TRL and most trainers read them, `conversations` as LLaMA-Factory's ShareGPT.

A row is a triplet's question with its first passing answer, reasoning in <think> tags; no row where none passed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.formats import layout, recipes
from tasks.formats.format import Answered, Format, Rows
from tasks.formats.layout import ABOUT, MESSAGES, TRAIN, about
from tasks.formats.records import FormattedRow, ResponseRecord, TripletRecord
from tasks.formats.sft import answer_text, first_passing
from tasks.formats.writer import FileEntry, FileType

VERSION = "1"
DATASET_INFO = "dataset_info.json"


def _chat(column: str, role: str, content: str, user: str, assistant: str) -> Rows:
    def rows(record: TripletRecord, responses: Sequence[ResponseRecord]) -> Iterator[FormattedRow]:
        answer = first_passing(responses)
        if answer is not None:
            turns = [{role: user, content: record.question}, {role: assistant, content: answer_text(answer)}]
            yield FormattedRow(layout.split_of(record), {column: turns, **about(record)})

    return rows


def _shown(responses: Sequence[ResponseRecord]) -> Sequence[ResponseRecord]:
    answer = first_passing(responses)
    return [] if answer is None else [answer]


def _rows_of(files: Sequence[FileEntry], split: str) -> int:
    return sum(entry.rows for entry in files if entry.split == split)


def _trl_recipe(release: int, files: Sequence[FileEntry]) -> Mapping[str, bytes]:
    return {recipes.TRL_FILE: recipes.trl(release, TRAIN, _rows_of(files, TRAIN))}


def _llama_factory_files(release: int, files: Sequence[FileEntry]) -> Mapping[str, bytes]:
    """LLaMA-Factory reads a folder of files of one type; it cannot load one without rows, so that is not listed."""
    tags = {"role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt"}
    info: dict[str, Any] = {
        f"kodcode_{split}": {
            "file_name": split,
            "formatting": "sharegpt",
            "columns": {"messages": "conversations"},
            "tags": tags,
        }
        for split in layout.SPLITS
        if split == TRAIN or _rows_of(files, split)
    }
    return {
        DATASET_INFO: (json.dumps(info, indent=2) + "\n").encode(),
        recipes.LLAMA_FACTORY_FILE: recipes.llama_factory(release, f"kodcode_{TRAIN}", _rows_of(files, TRAIN)),
    }


def _messages(name: str, file_type: FileType) -> Format:
    return Format(
        name=name,
        version=VERSION,
        splits=layout.SPLITS,
        columns=(("messages", MESSAGES, "The question (user) and its answer (assistant)."), *ABOUT),
        rows=_chat("messages", "role", "content", "user", "assistant"),
        shows=_shown,
        file_type=file_type,
        companions=_trl_recipe,
        proof=Answered(lambda row: [(row["messages"][-1]["content"], True)]),
    )


MESSAGES_FORMAT = _messages("messages", "parquet")
MESSAGES_JSONL_FORMAT = _messages("messages-jsonl", "jsonl")
SHAREGPT_FORMAT = Format(
    name="sharegpt",
    version=VERSION,
    splits=layout.SPLITS,
    columns=(("conversations", layout.turns("from", "value"), "The question (human) and its answer (gpt)."), *ABOUT),
    rows=_chat("conversations", "from", "value", "human", "gpt"),
    shows=_shown,
    companions=_llama_factory_files,
    proof=Answered(lambda row: [(row["conversations"][-1]["value"], True)]),
)
