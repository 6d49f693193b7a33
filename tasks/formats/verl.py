"""verl's RL Parquet: a prompt with the test that its answer is rewarded by.

Read by verl's RLHFDataset (`data.prompt_key: prompt`), which hands `data_source`, `reward_model.ground_truth` and
`extra_info` to the reward: `custom_reward_function.path: tasks/sandbox/reward.py`, `name: compute_score`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from tasks.formats import layout, rl
from tasks.formats.format import Format, Rewarded, Row
from tasks.formats.layout import MESSAGES, Column
from tasks.formats.records import FormattedRow, ResponseRecord, TripletRecord
from tasks.sandbox import Sandbox
from tasks.sandbox.reward import compute_score

NAME = "verl"
VERSION = "1"

_COLUMNS: tuple[Column, ...] = (
    ("data_source", pa.string(), "kodcode/SUBSET: verl reports validation scores by it."),
    (
        "prompt",
        MESSAGES,
        "One user message: the question, the declarations that the test calls, and the fence that code belongs in.",
    ),
    ("ability", pa.string(), "Always `code`."),
    (
        "reward_model",
        pa.struct([("style", pa.string()), ("ground_truth", pa.string())]),
        "style `rule`; ground_truth: pytest source, or for online_judge JSON with lists `stdin` and `stdout`.",
    ),
    (
        "extra_info",
        pa.struct(
            [
                ("split", pa.string()),
                ("index", pa.int64()),
                ("question_id", pa.string()),
                ("subset", pa.string()),
                ("style", pa.string()),
                ("difficulty", pa.string()),
                ("timeout_s", pa.float64()),
                ("memory_mb", pa.int64()),
            ]
        ),
        "Where the row comes from (index: the question's number in its subset), and the reward's limits.",
    ),
)


def rows(record: TripletRecord, responses: Sequence[ResponseRecord]) -> Iterator[FormattedRow]:
    """One row a triplet; answers play no part."""
    split = layout.split_of(record)
    yield FormattedRow(
        split,
        {
            "data_source": f"kodcode/{record.subset}",
            "prompt": [{"role": "user", "content": rl.prompt_of(record)}],
            "ability": "code",
            "reward_model": {"style": "rule", "ground_truth": rl.ground_truth(record)},
            "extra_info": {
                "split": split,
                "index": record.number,
                "question_id": record.triplet_id,
                "subset": record.subset,
                "style": record.style,
                "difficulty": record.difficulty,
                "timeout_s": rl.TIMEOUT_S,
                "memory_mb": rl.MEMORY_MB,
            },
        },
    )


def score(row: Row, answer: str, sandbox: Sandbox) -> float:
    """The reward of an answer, called as verl's reward manager does."""
    return compute_score(
        data_source=row["data_source"],
        solution_str=answer,
        ground_truth=row["reward_model"]["ground_truth"],
        extra_info=row["extra_info"],
        sandbox=sandbox,
    )


FORMAT = Format(
    name=NAME,
    version=VERSION,
    splits=layout.SPLITS,
    columns=_COLUMNS,
    rows=rows,
    proof=Rewarded(score),
    row_id=lambda row: str(row["extra_info"]["question_id"]),
)
