"""The tables of schema `kodcode`: the database is the truth and the queue.

The rows of the four work tables (questions, trials, triplets of the converted styles, responses) are inserted as
`pending` when a stage is planned and end as `accepted`, `rejected` (with a reason) or `failed` (infrastructure: the
next run tries again). A stage is whatever is still pending or failed.

The indexes named `history` hold what the views of sql/views count, so that these need not read texts and code.
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
from tasks.store.schema.releases import Release, ReleaseShard, Shard, ShardRows
from tasks.store.schema.screening import BenchmarkItem, Contamination, Embedding, MinhashBand, VectorHead
from tasks.store.schema.work import Question, Response, Run, Seed, Trial, Triplet

__all__ = [
    "IMPORTED",
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
    "ReleaseShard",
    "Response",
    "Run",
    "Seed",
    "Shard",
    "ShardRows",
    "Trial",
    "Triplet",
    "VectorHead",
    "storable",
]
