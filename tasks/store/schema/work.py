"""The work tables, and what their rows come from: runs, seeds, questions, trials, triplets, responses."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from tasks.store.schema.base import SCHEMA, STYLES, Base, Json, reason_check, status_check


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
    host: Mapped[str]  # with its boot and process namespace
    pid: Mapped[int]
    process_start: Mapped[float | None]  # clock ticks since that boot
    traceparent: Mapped[str | None]  # of its OpenTelemetry span, for those who work for it elsewhere
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    alive_until: Mapped[datetime | None]  # renewed while its process lives; a running one past it was lost
    stop: Mapped[Json | None]  # why its workers elsewhere are to stop: the error of one of them
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


# Statuses of a row that waits for nothing.
ENDED = ("accepted", "rejected")


def id_of_question(subset: str, number: int) -> str:
    """The id of a question. Ids of what belongs to it begin with it, and releases cut ranges of questions by all but
    its last digits (tasks/selection.py)."""
    return f"{subset}_{number:08d}"


class Question(Base):
    """One proposed question: a numbered place in its subset, filled by the teacher, then screened."""

    __tablename__ = "questions"
    __table_args__ = (
        status_check(),
        reason_check(),
        CheckConstraint("annotated_difficulty in ('easy', 'medium', 'hard')", name="annotated_difficulty"),
        CheckConstraint("annotated_clarity between 1 and 5", name="annotated_clarity"),
        UniqueConstraint("subset", "number"),
        UniqueConstraint("subset", "provider", "model", "prompt_index"),
        Index(
            "ix_questions_history",
            "subset",
            "status",
            "reason",
            "question_id",
            postgresql_include=[
                "provider",
                "model",
                "caution",
                "seed_ids",
                "benchmark",
                "benchmark_item",
                "updated_at",
            ],
        ),
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
        status_check(),
        reason_check(),
        CheckConstraint("trust between 0 and 1", name="trust"),
        Index("ix_trials_open", "question_id", "attempt", postgresql_where="status in ('pending', 'failed')"),
        Index(
            "ix_trials_history",
            "question_id",
            "model",
            "status",
            "attempt",
            postgresql_include=["updated_at"],
        ),
        Index(
            "ix_trials_reason",
            "reason",
            "question_id",
            postgresql_include=["status", "provider", "model"],
            postgresql_where="status in ('rejected', 'failed')",
        ),
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
        status_check(),
        reason_check(),
        UniqueConstraint("question_id", "style"),
        CheckConstraint(f"style in {STYLES}", name="style"),
        CheckConstraint("difficulty in ('easy', 'medium', 'hard', 'fail')", name="difficulty"),
        CheckConstraint("trust between 0 and 1", name="trust"),
        CheckConstraint(
            "status <> 'accepted' or (question is not null and solution is not null and test is not null)",
            name="whole",
        ),
        Index("ix_triplets_open", "triplet_id", postgresql_where="status in ('pending', 'failed')"),
        Index(
            "ix_triplets_history",
            "subset",
            "style",
            "status",
            "reason",
            "triplet_id",
            postgresql_include=[
                "question_id",
                "difficulty",
                "trial_count",
                "pass_count",
                "pass_sequence",
                "pass_at_k",
                "coverage",
                "consensus",
                "kill_rate",
                "stub_rejected",
                "stable",
                "trust",
                "provider",
                "model",
                "updated_at",
            ],
        ),
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
        status_check(),
        reason_check(),
        Index(
            "ix_responses_open", "triplet_id", "model", "attempt", postgresql_where="status in ('pending', 'failed')"
        ),
        Index("ix_responses_reason", "reason", "triplet_id", postgresql_where="status in ('rejected', 'failed')"),
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
