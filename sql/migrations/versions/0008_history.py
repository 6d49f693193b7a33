"""Indexes that questions about the whole history are answered from, without reading solutions, tests and answers."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

QUESTIONS = ["question_id", "reason", "provider", "model", "prompt_version", "request_hash", "caution"]
TRIALS = [
    "status", "reason", "verdict", "provider", "model", "prompt_version", "request_hash", "coverage", "kill_rate",
    "trust", "updated_at",
]
TRIPLETS = [
    "triplet_id", "question_id", "reason", "difficulty", "trial_count", "pass_count", "pass_at_k", "coverage",
    "consensus", "kill_rate", "stub_rejected", "stable", "trust", "provider", "model", "prompt_version", "updated_at",
]
CALLS = [
    "request_hash", "cost_usd", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens",
    "latency_s", "created_at",
]
RUN_TABLES = ("questions", "trials", "triplets", "responses")


def upgrade() -> None:
    op.create_index(
        "ix_questions_history", "questions", ["subset", "status"], schema="kodcode", postgresql_include=QUESTIONS
    )
    op.create_index(
        "ix_trials_history", "trials", ["question_id", "attempt"], schema="kodcode", postgresql_include=TRIALS
    )
    op.create_index(
        "ix_trials_slowest", "trials", ["duration_s"], schema="kodcode", postgresql_where="status = 'accepted'"
    )
    op.drop_index("ix_triplets_subset", table_name="triplets", schema="kodcode")
    op.create_index(
        "ix_triplets_history", "triplets", ["subset", "style", "status"], schema="kodcode",
        postgresql_include=TRIPLETS,
    )
    op.create_index(
        "ix_llm_calls_history", "llm_calls", ["subset", "stage", "provider", "model"], schema="kodcode",
        postgresql_include=CALLS,
    )
    for table in RUN_TABLES:
        op.create_index(f"ix_{table}_run_id", table, ["run_id"], schema="kodcode")


def downgrade() -> None:
    for table in reversed(RUN_TABLES):
        op.drop_index(f"ix_{table}_run_id", table_name=table, schema="kodcode")
    op.drop_index("ix_llm_calls_history", table_name="llm_calls", schema="kodcode")
    op.drop_index("ix_triplets_history", table_name="triplets", schema="kodcode")
    op.create_index("ix_triplets_subset", "triplets", ["subset"], schema="kodcode")
    op.drop_index("ix_trials_slowest", table_name="trials", schema="kodcode")
    op.drop_index("ix_trials_history", table_name="trials", schema="kodcode")
    op.drop_index("ix_questions_history", table_name="questions", schema="kodcode")
