"""The tables of schema `kodcode`: the database is the truth and the queue.

The rows of the four work tables (questions, trials, triplets of the converted styles, responses) are inserted as
`pending` when a stage is planned and end as `accepted`, `rejected` (with a reason) or `failed` (infrastructure: the
next run tries again). A stage is whatever is still pending or failed.

The indexes named `history` hold what the views of sql/views count, so that these need not read texts and code.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Text,
    TypeDecorator,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA = "kodcode"
STATUSES = ("pending", "accepted", "rejected", "failed")
STYLES = ("instruct", "complete", "online_judge")

Json = dict[str, Any]


def storable(value: Any) -> Any:
    """`value` as PostgreSQL can hold it: without NUL and lone surrogates. Models write both."""
    if isinstance(value, str):
        return value.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value


class StorableText(TypeDecorator[str]):
    """Text of any origin. What a model really wrote is in the artifact store, byte for byte."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


class StorableJson(TypeDecorator[Any]):
    """JSONB of any origin."""

    impl = JSONB
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return storable(value)


class Base(DeclarativeBase):
    metadata = MetaData(
        schema=SCHEMA,
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        },
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy's own protocol)
        str: StorableText,
        Json: StorableJson(none_as_null=True),
        list[Json]: StorableJson(none_as_null=True),
        list[str]: ARRAY(Text),
        list[int]: ARRAY(SmallInteger),
        list[float]: ARRAY(Float),
        datetime: DateTime(timezone=True),
        Decimal: Numeric(14, 8),
        bytes: LargeBinary,
    }


def _status() -> CheckConstraint:
    return CheckConstraint(f"status in {STATUSES}", name="status")


def _reason() -> CheckConstraint:
    return CheckConstraint("status not in ('rejected', 'failed') or reason is not null", name="reason")


class Run(Base):
    """A flow run: what was asked, by which code, and how it ended."""

    __tablename__ = "runs"
    __table_args__ = (CheckConstraint("status in ('running', 'completed', 'failed', 'interrupted')", name="status"),)

    run_id: Mapped[str] = mapped_column(primary_key=True)
    flow: Mapped[str]
    flow_run_id: Mapped[str | None]
    parameters: Mapped[Json]
    code_version: Mapped[str]
    budget_usd: Mapped[Decimal | None]
    status: Mapped[str] = mapped_column(server_default="running")
    error: Mapped[str | None]
    host: Mapped[str]
    pid: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
    summary: Mapped[Json | None]


class Seed(Base):
    """A text that prompts are built from; the same text twice in a subset is one seed."""

    __tablename__ = "seeds"
    __table_args__ = (UniqueConstraint("subset", "content_hash"),)

    seed_id: Mapped[str] = mapped_column(primary_key=True)
    subset: Mapped[str] = mapped_column(index=True)
    content_hash: Mapped[str]
    text: Mapped[str]
    source: Mapped[str]
    revision: Mapped[str | None]
    licence: Mapped[str | None]
    added_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Artifact(Base):
    """Where the text of a content hash lies: inline until packed, then a slice of a pack or an object of its own."""

    __tablename__ = "artifacts"
    __table_args__ = (
        CheckConstraint("(data is null) <> (object_key is null)", name="place"),
        Index("ix_artifacts_unpacked", "created_at", postgresql_where="data is not null"),
    )

    key: Mapped[str] = mapped_column(primary_key=True)  # sha256 of the uncompressed bytes, hex
    size: Mapped[int] = mapped_column(BigInteger)
    data: Mapped[bytes | None]  # zstd
    object_key: Mapped[str | None]
    pack_offset: Mapped[int | None] = mapped_column(BigInteger)
    pack_length: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class LlmCall(Base):
    """The ledger: one row an answer that was paid for."""

    __tablename__ = "llm_calls"
    __table_args__ = (
        Index("ix_llm_calls_history", "subset", "stage", "provider", "model", postgresql_include=[
            "request_hash", "cost_usd", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens",
            "latency_s", "created_at",
        ]),
    )

    request_hash: Mapped[str] = mapped_column(primary_key=True)
    provider: Mapped[str]
    model: Mapped[str]
    stage: Mapped[str]
    subset: Mapped[str]
    attempt: Mapped[int]
    sampling: Mapped[Json]
    prompt_key: Mapped[str] = mapped_column(ForeignKey(f"{SCHEMA}.artifacts.key"))
    answer_key: Mapped[str] = mapped_column(ForeignKey(f"{SCHEMA}.artifacts.key"))
    reasoning_key: Mapped[str | None] = mapped_column(ForeignKey(f"{SCHEMA}.artifacts.key"))
    finish_reason: Mapped[str]
    input_tokens: Mapped[int]
    cached_input_tokens: Mapped[int]
    output_tokens: Mapped[int]
    reasoning_tokens: Mapped[int]
    cost_usd: Mapped[Decimal | None]  # null: the model's price is not known
    latency_s: Mapped[float]
    retries: Mapped[int]
    provider_request_id: Mapped[str | None]
    run_id: Mapped[str | None] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class LlmWorker(Base):
    """A process that asks models. Its leases hold until `expires_at`, which it keeps moving while it lives."""

    __tablename__ = "llm_workers"

    worker_id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]  # host name and process namespace: within one of them a process can be looked up
    pid: Mapped[int]
    process_start: Mapped[float]
    run_id: Mapped[str | None]
    expires_at: Mapped[datetime]


class LlmLease(Base):
    """A request that is being asked: by a worker for as long as it lives, or in a batch until that is collected."""

    __tablename__ = "llm_leases"

    request_hash: Mapped[str] = mapped_column(primary_key=True)
    worker_id: Mapped[str]  # empty where a batch holds it
    batch_id: Mapped[str | None] = mapped_column(index=True)
    run_id: Mapped[str | None]
    stage: Mapped[str]
    subset: Mapped[str]
    reserved_usd: Mapped[Decimal]  # the most that the answer can cost
    leased_at: Mapped[datetime] = mapped_column(server_default=func.now())


class LlmBatch(Base):
    """A batch of requests at a provider. Open (built, uploaded, submitted) it is followed by a living worker, or waits
    for one; each that takes it over raises `fence`, and writes of former ones change nothing.

    `uploaded` says that the submission may have been sent: whoever comes upon it looks for it at the provider.
    """

    __tablename__ = "llm_batches"
    __table_args__ = (
        CheckConstraint(
            "status in ('built', 'uploaded', 'submitted', 'collected', 'expired', 'failed')", name="status"
        ),
        Index("ix_llm_batches_open", "provider", postgresql_where="status in ('built', 'uploaded', 'submitted')"),
    )

    batch_id: Mapped[str] = mapped_column(primary_key=True)
    provider: Mapped[str]
    endpoint: Mapped[str]
    path: Mapped[str]  # what its requests are for: /v1/chat/completions ...
    model: Mapped[str]
    run_id: Mapped[str | None] = mapped_column(index=True)
    status: Mapped[str]
    worker_id: Mapped[str]
    fence: Mapped[int]
    input_file_id: Mapped[str | None]
    provider_batch_id: Mapped[str | None]
    problem: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    uploaded_at: Mapped[datetime | None]
    submitted_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class LlmBatchRequest(Base):
    """A request in a batch and what became of it there; its prompt is the artifact of its hash."""

    __tablename__ = "llm_batch_requests"
    __table_args__ = (
        CheckConstraint(
            "status in ('open', 'answered', 'refused', 'failed', 'expired', 'missing')", name="status"
        ),
        Index("ix_llm_batch_requests_request_hash", "request_hash"),
    )

    batch_id: Mapped[str] = mapped_column(ForeignKey(f"{SCHEMA}.llm_batches.batch_id"), primary_key=True)
    request_hash: Mapped[str] = mapped_column(ForeignKey(f"{SCHEMA}.artifacts.key"), primary_key=True)
    stage: Mapped[str]
    subset: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="open")
    detail: Mapped[str | None]


class LlmSpending(Base):
    """Dollars by scope: `day:2026-11-25` (UTC), `run:ID`, `run:ID/stage:solve`, `run:ID/subset:Leetcode`."""

    __tablename__ = "llm_spending"

    scope: Mapped[str] = mapped_column(primary_key=True)
    spent_usd: Mapped[Decimal]


class LlmLimit(Base):
    """What the workers know together of one model's rate limits; `state` is `tasks.llm.rate.State`."""

    __tablename__ = "llm_limits"

    endpoint: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[Json]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Question(Base):
    """One proposed question: a numbered place in its subset, filled by the teacher, then screened."""

    __tablename__ = "questions"
    __table_args__ = (
        _status(), _reason(),
        CheckConstraint("annotated_difficulty in ('easy', 'medium', 'hard')", name="annotated_difficulty"),
        CheckConstraint("annotated_clarity between 1 and 5", name="annotated_clarity"),
        UniqueConstraint("subset", "number"),
        UniqueConstraint("subset", "provider", "model", "prompt_index"),
        Index("ix_questions_history", "subset", "status", postgresql_include=[
            "question_id", "reason", "provider", "model", "prompt_version", "request_hash", "caution",
        ]),
        Index("ix_questions_open", "subset", "number", postgresql_where="status in ('pending', 'failed')"),
        Index("ix_questions_duplicate_of", "duplicate_of", postgresql_where="duplicate_of is not null"),
    )

    question_id: Mapped[str] = mapped_column(primary_key=True)  # Leetcode_00000012
    subset: Mapped[str]
    number: Mapped[int]
    provider: Mapped[str]
    model: Mapped[str]
    prompt_index: Mapped[int]  # prompt i of (subset, provider, model): the same on every machine
    prompt_version: Mapped[str | None]  # of the prompt that was sent
    seed_ids: Mapped[list[str]]
    request_hash: Mapped[str | None] = mapped_column(ForeignKey(f"{SCHEMA}.llm_calls.request_hash"))
    annotation_hash: Mapped[str | None] = mapped_column(ForeignKey(f"{SCHEMA}.llm_calls.request_hash"))
    annotated_category: Mapped[str | None]  # the annotator's words, where it was asked
    annotated_difficulty: Mapped[str | None]
    annotated_clarity: Mapped[int | None] = mapped_column(SmallInteger)  # 1 (unclear) to 5
    text: Mapped[str | None]  # null until the teacher's answer was parsed; set and `pending`: waits for screening
    text_hash: Mapped[str | None] = mapped_column(index=True)  # of the normalised text
    status: Mapped[str] = mapped_column(server_default="pending")
    reason: Mapped[str | None]
    detail: Mapped[str | None]
    duplicate_of: Mapped[str | None] = mapped_column(ForeignKey(f"{SCHEMA}.questions.question_id"))
    similarity: Mapped[float | None]  # to duplicate_of, by the measure that `reason` names
    benchmark: Mapped[str | None]  # nearest benchmark item
    benchmark_item: Mapped[str | None]
    benchmark_similarity: Mapped[float | None]  # cosine
    caution: Mapped[str | None]  # accepted, but its triplets are released under use_with_caution for this reason
    run_id: Mapped[str | None] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Trial(Base):
    """One (question, attempt): a solution and a test from one answer, and the verdict on them."""

    __tablename__ = "trials"
    __table_args__ = (
        _status(), _reason(),
        CheckConstraint("trust between 0 and 1", name="trust"),
        Index("ix_trials_open", "question_id", "attempt", postgresql_where="status in ('pending', 'failed')"),
        Index("ix_trials_history", "question_id", "attempt", postgresql_include=[
            "status", "reason", "verdict", "provider", "model", "prompt_version", "request_hash", "coverage",
            "kill_rate", "trust", "updated_at",
        ]),
        Index("ix_trials_slowest", "duration_s", postgresql_where="status = 'accepted'"),
    )

    question_id: Mapped[str] = mapped_column(ForeignKey(f"{SCHEMA}.questions.question_id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    tier: Mapped[int] = mapped_column(server_default="0")  # which of the run's models is asked, cheapest first
    provider: Mapped[str | None]
    model: Mapped[str | None]
    prompt_version: Mapped[str | None]
    request_hash: Mapped[str | None] = mapped_column(ForeignKey(f"{SCHEMA}.llm_calls.request_hash"), index=True)
    solution: Mapped[str | None]
    test: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="pending")  # accepted: the solution passed the test
    reason: Mapped[str | None]  # the verdict where it is not `passed`; or unparsed, truncated, refused
    verdict: Mapped[str | None]
    outcomes: Mapped[Json | None]  # node id -> passed | failed | skipped | error
    coverage: Mapped[float | None]  # line coverage of the solution, percent
    duration_s: Mapped[float | None]
    peak_memory_mb: Mapped[float | None]
    message: Mapped[str | None]
    sandbox_level: Mapped[str | None]
    sandbox_environment: Mapped[str | None]
    # Whether a pass was confirmed with solution and test in two processes. Null: not confirmed at all.
    apart: Mapped[bool | None]
    # Of the trials that passed; tasks/trust says what each means. Null: not found out.
    consensus: Mapped[float | None]  # 0..1; what the question's other trials say
    kill_rate: Mapped[float | None]  # 0..1; wrong solutions that the test rejects
    stub_rejected: Mapped[bool | None]
    stable: Mapped[bool | None]
    trust: Mapped[float | None]  # 0..1
    agreement: Mapped[Json | None]  # the trial's row of the agreement matrix: claims, by (attempt -> outcomes), stub
    evidence: Mapped[Json | None]  # what the columns were made of
    assessed_with: Mapped[int | None]  # ended trials of the question when this one was assessed
    run_id: Mapped[str | None] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Triplet(Base):
    """A question, its solution and its test in one style.

    The instruct triplet is made when all attempts of a question have ended: accepted with the chosen trial, or
    rejected (`no_trial_passed`, difficulty `fail`). The other styles are conversions of an accepted instruct triplet.
    """

    __tablename__ = "triplets"
    __table_args__ = (
        _status(), _reason(),
        UniqueConstraint("question_id", "style"),
        CheckConstraint(f"style in {STYLES}", name="style"),
        CheckConstraint("difficulty in ('easy', 'medium', 'hard', 'fail')", name="difficulty"),
        CheckConstraint("trust between 0 and 1", name="trust"),
        CheckConstraint(
            "status <> 'accepted' or (question is not null and solution is not null and test is not null)",
            name="whole",
        ),
        Index("ix_triplets_open", "triplet_id", postgresql_where="status in ('pending', 'failed')"),
        Index("ix_triplets_history", "subset", "style", "status", postgresql_include=[
            "triplet_id", "question_id", "reason", "difficulty", "trial_count", "pass_count", "pass_at_k", "coverage",
            "consensus", "kill_rate", "stub_rejected", "stable", "trust", "provider", "model", "prompt_version",
            "updated_at",
        ]),
    )

    triplet_id: Mapped[str] = mapped_column(primary_key=True)  # Leetcode_00000012_I, _C, _O
    question_id: Mapped[str] = mapped_column(ForeignKey(f"{SCHEMA}.questions.question_id"))
    subset: Mapped[str]
    style: Mapped[str]
    source_triplet_id: Mapped[str | None] = mapped_column(ForeignKey(f"{SCHEMA}.triplets.triplet_id"))
    status: Mapped[str] = mapped_column(server_default="pending")
    reason: Mapped[str | None]
    question: Mapped[str | None]
    solution: Mapped[str | None]
    test: Mapped[str | None]  # pytest module; online_judge: {"stdin": [...], "stdout": [...]} as a literal
    test_info: Mapped[list[Json] | None]  # function_name, parameter_list, function_declaration, docstring
    chosen_attempt: Mapped[int | None]
    pass_sequence: Mapped[list[int] | None]
    pass_count: Mapped[int | None]
    trial_count: Mapped[int | None]
    pass_percentage: Mapped[float | None]  # 0..1
    difficulty: Mapped[str | None]
    pass_at_k: Mapped[list[float] | None]  # unbiased estimates for k = 1 .. trial_count
    pass_low: Mapped[float | None]  # 95 % Wilson interval of the pass rate
    pass_high: Mapped[float | None]
    coverage: Mapped[float | None]
    # The chosen trial's; online_judge has the kill rate of its cases, and takes the rest from its source.
    consensus: Mapped[float | None]
    kill_rate: Mapped[float | None]
    stub_rejected: Mapped[bool | None]
    stable: Mapped[bool | None]
    trust: Mapped[float | None]  # 0..1
    benchmark_similarity: Mapped[float | None]
    filter_reason: Mapped[str | None]  # accepted, but released under use_with_caution for this reason
    provider: Mapped[str | None]  # of the conversion
    model: Mapped[str | None]
    prompt_version: Mapped[str | None]
    tries: Mapped[list[Json] | None]  # conversions: [{attempt, request_hash, reason, message}]
    run_id: Mapped[str | None] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Response(Base):
    """A reasoning answer to a triplet's question, kept where the triplet's test passes on its code."""

    __tablename__ = "responses"
    __table_args__ = (
        _status(), _reason(),
        Index(
            "ix_responses_open", "triplet_id", "model", "attempt", postgresql_where="status in ('pending', 'failed')"
        ),
    )

    triplet_id: Mapped[str] = mapped_column(ForeignKey(f"{SCHEMA}.triplets.triplet_id"), primary_key=True)
    provider: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    request_hash: Mapped[str | None] = mapped_column(ForeignKey(f"{SCHEMA}.llm_calls.request_hash"), index=True)
    code: Mapped[str | None]  # as it was judged, an alias for a missing entry point below it
    status: Mapped[str] = mapped_column(server_default="pending")
    reason: Mapped[str | None]
    verdict: Mapped[str | None]
    outcomes: Mapped[Json | None]  # of every test: node id or number of the case -> passed | failed | skipped | error
    coverage: Mapped[float | None]
    duration_s: Mapped[float | None]
    peak_memory_mb: Mapped[float | None]
    message: Mapped[str | None]
    sandbox_level: Mapped[str | None]
    sandbox_environment: Mapped[str | None]
    # Whether a pass was confirmed with solution and test in two processes. Null: not confirmed at all.
    apart: Mapped[bool | None]
    run_id: Mapped[str | None] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class MinhashBand(Base):
    """A band hash of a screened question; the band's number is mixed into `h`. Rejected questions have none."""

    __tablename__ = "minhash_bands"
    __table_args__ = (Index("ix_minhash_bands_h", "h", postgresql_include=["question_id"]),)

    question_id: Mapped[str] = mapped_column(ForeignKey(f"{SCHEMA}.questions.question_id"), primary_key=True)
    h: Mapped[int] = mapped_column(BigInteger, primary_key=True)


class Embedding(Base):
    """A unit vector (float32, little-endian) once per (text, model)."""

    __tablename__ = "embeddings"

    model: Mapped[str] = mapped_column(primary_key=True)
    text_hash: Mapped[str] = mapped_column(primary_key=True)
    vector: Mapped[bytes]


class VectorHead(Base):
    """The first components of an accepted question's vector and the length of the rest, as float16.

    What nominates near questions without reading whole vectors (`tasks.screening.vectors`). A row whose question is
    no longer accepted does no harm: nominations are checked against `questions`.
    """

    __tablename__ = "vector_heads"

    model: Mapped[str] = mapped_column(primary_key=True)
    subset: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    head: Mapped[bytes]


class BenchmarkItem(Base):
    """A problem that training data must not contain."""

    __tablename__ = "benchmark_items"

    benchmark: Mapped[str] = mapped_column(primary_key=True)
    item_id: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str]
    text_hash: Mapped[str]
    solution: Mapped[str | None]  # the reference solution, where the benchmark publishes one


class Contamination(Base):
    """By what a question is too near to a benchmark: at most one row a measure, that of the nearest item."""

    __tablename__ = "contaminations"
    __table_args__ = (
        CheckConstraint("measure in ('cosine', 'words', 'code', 'terms', 'solution')", name="measure"),
        ForeignKeyConstraint(
            ["benchmark", "item_id"], [f"{SCHEMA}.benchmark_items.benchmark", f"{SCHEMA}.benchmark_items.item_id"]
        ),
        Index("ix_contaminations_item", "benchmark", "item_id"),
    )

    question_id: Mapped[str] = mapped_column(ForeignKey(f"{SCHEMA}.questions.question_id"), primary_key=True)
    measure: Mapped[str] = mapped_column(primary_key=True)
    benchmark: Mapped[str]
    item_id: Mapped[str]
    value: Mapped[float]  # cosine, weighted Jaccard similarity, or share of the item's n-grams
    threshold: Mapped[float]  # that it reached
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Release(Base):
    """An immutable, numbered dataset; making one whose content is the newest's returns that one."""

    __tablename__ = "releases"

    release_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    content_hash: Mapped[str]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey(f"{SCHEMA}.releases.release_id"))
    path: Mapped[str]
    manifest: Mapped[Json]
    rows: Mapped[int]  # of KodCode-V1, all splits
    run_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ReleaseItem(Base):
    """Which row went where."""

    __tablename__ = "release_items"
    __table_args__ = (
        ForeignKeyConstraint(["release_id"], [f"{SCHEMA}.releases.release_id"]),
        Index("ix_release_items_triplet_id", "triplet_id"),
    )

    release_id: Mapped[int] = mapped_column(primary_key=True)
    format: Mapped[str] = mapped_column(primary_key=True)
    triplet_id: Mapped[str] = mapped_column(ForeignKey(f"{SCHEMA}.triplets.triplet_id"), primary_key=True)
    split: Mapped[str]
