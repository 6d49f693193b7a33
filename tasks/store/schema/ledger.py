"""The ledger: texts, calls, leases and batches under way, what was spent, and the limits that all workers share."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from tasks.store.schema.base import SCHEMA, Base, Json


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
        CheckConstraint("status in ('open', 'answered', 'refused', 'failed', 'expired', 'missing')", name="status"),
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
