"""What the formats share: splits, and the columns that several of them have."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.formats.batch import Batch
from tasks.formats.records import TripletRecord

Column = tuple[str, pa.DataType, str]  # name, type, description

TRAIN, USE_WITH_CAUTION = "train", "use_with_caution"
SPLITS = (TRAIN, USE_WITH_CAUTION)

QUESTION_ID: Column = ("question_id", pa.string(), "Subset, number and style (_I, _C, _O).")
SUBSET: Column = ("subset", pa.string(), "The generator that the question comes from.")
STYLE: Column = ("style", pa.string(), "instruct, complete or online_judge.")
DIFFICULTY: Column = (
    "difficulty",
    pa.string(),
    "easy, medium or hard, by the share of the teacher's attempts that passed.",
)
ABOUT = (QUESTION_ID, SUBSET, STYLE, DIFFICULTY)


def turns(role: str, content: str) -> pa.DataType:
    """The type of a conversation whose turns have these two fields."""
    return pa.list_(pa.struct([(role, pa.string()), (content, pa.string())]))


MESSAGES = turns("role", "content")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def split_of(record: TripletRecord) -> str:
    """The split of a triplet's row."""
    return TRAIN if record.filter_reason is None else USE_WITH_CAUTION


def about(record: TripletRecord) -> dict[str, str]:
    """The columns ABOUT, which tell where a row comes from."""
    return {
        "question_id": record.triplet_id,
        "subset": record.subset,
        "style": record.style,
        "difficulty": record.difficulty,
    }


def splits_of(batch: Batch) -> pa.StringArray:
    """The splits of the triplets' rows."""
    return pc.if_else(batch.triplets["filter_reason"].is_null(), TRAIN, USE_WITH_CAUTION)


def conversation(kind: pa.ListType, turns: Sequence[tuple[str, pa.Array]]) -> pa.Array:
    """Conversations of these turns each: who speaks, and what is said in each row."""
    rows = len(turns[0][1])
    order = np.arange(rows * len(turns)).reshape(len(turns), rows).T.ravel()
    speakers = pa.array([speaker for speaker, _ in turns], pa.string()).take(np.tile(np.arange(len(turns)), rows))
    said = pa.concat_arrays([texts for _, texts in turns]).take(order)
    items = pa.StructArray.from_arrays([speakers, said], fields=list(kind.value_type))
    ends = pa.array(np.arange(0, len(order) + 1, len(turns)), pa.int32())
    return pa.ListArray.from_arrays(ends, items, type=kind)


def texts(values: Sequence[str | None]) -> pa.Array:
    """A column of texts of any origin."""
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        # Rare, so the price of looking at every text is paid only now.
        return pa.array([encodable(value) for value in values], pa.string())


def encodable(value: Any) -> Any:
    """Lone surrogates, which UTF-8 cannot say, as replacement characters."""
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {key: encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encodable(item) for item in value]
    return value
