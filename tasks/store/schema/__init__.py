"""The tables of schema `kodcode`: the database is the truth and the queue.

The rows of the four work tables (questions, trials, triplets of the converted styles, responses) are inserted as
`pending` when a stage is planned and end as `accepted`, `rejected` (with a reason) or `failed` (infrastructure: the
next run tries again). A stage is whatever is still pending or failed.

The views of sql/views sum the rollup where they can. The indexes named `history` hold what they count still, so that
they need not read texts and code; those named `reason` find an example of each way to fail.
"""

from tasks.store.schema.base import SCHEMA, Base, storable
from tasks.store.schema.imports import IMPORTED, Import, ImportRow
from tasks.store.schema.ledger import (
    Artifact,
    LlmBatch,
    LlmBatchRequest,
    LlmCall,
    LlmLease,
    LlmLimit,
    LlmSpending,
    LlmWorker,
)
from tasks.store.schema.releases import Release, ReleasePart, ReleaseShard, ReleaseShardRows
from tasks.store.schema.rollup import ROLLUPS, fold_rollup, rollup_calls, rollup_hours, rollup_rows
from tasks.store.schema.screening import BenchmarkItem, Contamination, Embedding, MinhashBand, VectorHead
from tasks.store.schema.shards import Shard
from tasks.store.schema.work import ENDED, Question, Response, Run, Seed, Trial, Triplet, id_of_question

__all__ = [
    "ENDED",
    "IMPORTED",
    "ROLLUPS",
    "SCHEMA",
    "Artifact",
    "Base",
    "BenchmarkItem",
    "Contamination",
    "Embedding",
    "Import",
    "ImportRow",
    "LlmBatch",
    "LlmBatchRequest",
    "LlmCall",
    "LlmLease",
    "LlmLimit",
    "LlmSpending",
    "LlmWorker",
    "MinhashBand",
    "Question",
    "Release",
    "ReleasePart",
    "ReleaseShard",
    "ReleaseShardRows",
    "Response",
    "Run",
    "Seed",
    "Shard",
    "Trial",
    "Triplet",
    "VectorHead",
    "fold_rollup",
    "id_of_question",
    "rollup_calls",
    "rollup_hours",
    "rollup_rows",
    "storable",
]
