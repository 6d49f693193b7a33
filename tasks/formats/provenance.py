"""Where each row of a release comes from, by law: licences of its seeds, terms of the models that wrote it.

Every release has it, beside the layouts whose columns are not ours to add to; rows join on `question_id`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from tasks.formats import layout
from tasks.formats.batch import AUTHOR, Batch, Laid
from tasks.formats.format import Format
from tasks.formats.layout import QUESTION_ID, Column
from tasks.formats.records import FormattedRow, ResponseRecord, TripletRecord

NAME = "provenance"
VERSION = "1"

_COLUMNS: tuple[Column, ...] = (
    QUESTION_ID,
    ("licence", pa.string(), "SPDX expression that follows from the next two columns (tasks/licences)."),
    ("seed_licences", pa.list_(pa.string()), "Of the seeds of its question; NOASSERTION where one has none."),
    (
        "authors",
        pa.list_(AUTHOR),
        "Models that wrote its question, solutions, conversion and the responses shown; `licence` is of their "
        "output, `training` whether it may train other models: yes, conditions, no, unknown.",
    ),
)


def rows(record: TripletRecord, responses: Sequence[ResponseRecord]) -> Iterator[FormattedRow]:
    """One row a triplet."""
    yield FormattedRow(
        layout.split_of(record),
        {
            "question_id": record.triplet_id,
            "licence": record.licence,
            "seed_licences": list(record.seed_licences),
            "authors": [
                {
                    "part": author.part,
                    "provider": author.provider,
                    "model": author.model,
                    "licence": author.licence,
                    "training": author.training,
                }
                for author in record.authors
            ],
        },
    )


def laid(batch: Batch) -> Laid:
    """What `rows` makes of each triplet, for all at once."""
    columns = batch.triplets.select(["triplet_id", "licence", "seed_licences", "authors"])
    columns = columns.rename_columns([name for name, _, _ in _COLUMNS])
    return Laid(columns, layout.splits_of(batch), pa.array(np.arange(len(columns))))


FORMAT = Format(name=NAME, version=VERSION, splits=layout.SPLITS, columns=_COLUMNS, rows=rows, laid=laid)
