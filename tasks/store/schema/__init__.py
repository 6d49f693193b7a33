"""The tables of schema `kodcode`: the database is the truth and the queue.

The rows of the four work tables (questions, trials, triplets of the converted styles, responses) are inserted as
`pending` when a stage is planned and end as `accepted`, `rejected` (with a reason) or `failed` (infrastructure: the
next run tries again). A stage is whatever is still pending or failed.

The indexes named `history` hold what the views of sql/views count, so that these need not read texts and code.
"""

from tasks.store.schema.base import SCHEMA, Base, storable
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
from tasks.store.schema.releases import Release, ReleaseItem
from tasks.store.schema.screening import BenchmarkItem, Contamination, Embedding, MinhashBand, VectorHead
from tasks.store.schema.shards import Shard
from tasks.store.schema.work import Question, Response, Run, Seed, Trial, Triplet

__all__ = [
    "SCHEMA",
    "Artifact",
    "Base",
    "BenchmarkItem",
    "Contamination",
    "Embedding",
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
    "ReleaseItem",
    "Response",
    "Run",
    "Seed",
    "Shard",
    "Trial",
    "Triplet",
    "VectorHead",
    "storable",
]
