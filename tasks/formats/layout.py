"""What the formats share: splits, and the columns that several of them have."""

from __future__ import annotations

import pyarrow as pa

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
