"""Initial schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "artifacts",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.Column("object_key", sa.Text(), nullable=True),
        sa.Column("pack_offset", sa.BigInteger(), nullable=True),
        sa.Column("pack_length", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(data is null) <> (object_key is null)", name=op.f("ck_artifacts_place")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_artifacts")),
        schema="kodcode",
    )
    op.create_index(
        "ix_artifacts_unpacked", "artifacts", ["created_at"], schema="kodcode", postgresql_where="data is not null"
    )
    op.create_table(
        "benchmark_items",
        sa.Column("benchmark", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("text_hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("benchmark", "item_id", name=op.f("pk_benchmark_items")),
        schema="kodcode",
    )
    op.create_table(
        "embeddings",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("text_hash", sa.Text(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("model", "text_hash", name=op.f("pk_embeddings")),
        schema="kodcode",
    )
    op.create_table(
        "releases",
        sa.Column("release_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("manifest", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["kodcode.releases.release_id"], name=op.f("fk_releases_parent_id")),
        sa.PrimaryKeyConstraint("release_id", name=op.f("pk_releases")),
        schema="kodcode",
    )
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("flow", sa.Text(), nullable=False),
        sa.Column("flow_run_id", sa.Text(), nullable=True),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.Column("budget_usd", sa.Numeric(precision=14, scale=8), nullable=True),
        sa.Column("status", sa.Text(), server_default="running", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("summary", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint("status in ('running', 'completed', 'failed', 'interrupted')", name=op.f("ck_runs_status")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_runs")),
        schema="kodcode",
    )
    op.create_table(
        "seeds",
        sa.Column("seed_id", sa.Text(), nullable=False),
        sa.Column("subset", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=True),
        sa.Column("licence", sa.Text(), nullable=True),
        sa.Column("added_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("seed_id", name=op.f("pk_seeds")),
        sa.UniqueConstraint("subset", "content_hash", name=op.f("uq_seeds_subset_content_hash")),
        schema="kodcode",
    )
    op.create_index(op.f("ix_seeds_subset"), "seeds", ["subset"], schema="kodcode")
    op.create_table(
        "llm_calls",
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("subset", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("sampling", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("prompt_key", sa.Text(), nullable=False),
        sa.Column("answer_key", sa.Text(), nullable=False),
        sa.Column("reasoning_key", sa.Text(), nullable=True),
        sa.Column("finish_reason", sa.Text(), nullable=False),
        sa.Column("input_tokens", sa.Integer(), nullable=False),
        sa.Column("cached_input_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
        sa.Column("reasoning_tokens", sa.Integer(), nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=14, scale=8), nullable=True),
        sa.Column("latency_s", sa.Double(), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("provider_request_id", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["answer_key"], ["kodcode.artifacts.key"], name=op.f("fk_llm_calls_answer_key")),
        sa.ForeignKeyConstraint(["prompt_key"], ["kodcode.artifacts.key"], name=op.f("fk_llm_calls_prompt_key")),
        sa.ForeignKeyConstraint(["reasoning_key"], ["kodcode.artifacts.key"], name=op.f("fk_llm_calls_reasoning_key")),
        sa.PrimaryKeyConstraint("request_hash", name=op.f("pk_llm_calls")),
        schema="kodcode",
    )
    op.create_index(op.f("ix_llm_calls_created_at"), "llm_calls", ["created_at"], schema="kodcode")
    op.create_index(op.f("ix_llm_calls_run_id"), "llm_calls", ["run_id"], schema="kodcode")
    op.create_table(
        "questions",
        sa.Column("question_id", sa.Text(), nullable=False),
        sa.Column("subset", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("prompt_index", sa.Integer(), nullable=False),
        sa.Column("prompt_version", sa.Text(), nullable=True),
        sa.Column("seed_ids", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=True),
        sa.Column("annotation_hash", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("text_hash", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("duplicate_of", sa.Text(), nullable=True),
        sa.Column("similarity", sa.Double(), nullable=True),
        sa.Column("benchmark", sa.Text(), nullable=True),
        sa.Column("benchmark_item", sa.Text(), nullable=True),
        sa.Column("benchmark_similarity", sa.Double(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status in ('pending', 'accepted', 'rejected', 'failed')", name=op.f("ck_questions_status")
        ),
        sa.CheckConstraint(
            "status not in ('rejected', 'failed') or reason is not null", name=op.f("ck_questions_reason")
        ),
        sa.ForeignKeyConstraint(
            ["annotation_hash"], ["kodcode.llm_calls.request_hash"], name=op.f("fk_questions_annotation_hash")
        ),
        sa.ForeignKeyConstraint(
            ["duplicate_of"], ["kodcode.questions.question_id"], name=op.f("fk_questions_duplicate_of")
        ),
        sa.ForeignKeyConstraint(
            ["request_hash"], ["kodcode.llm_calls.request_hash"], name=op.f("fk_questions_request_hash")
        ),
        sa.PrimaryKeyConstraint("question_id", name=op.f("pk_questions")),
        sa.UniqueConstraint("subset", "number", name=op.f("uq_questions_subset_number")),
        sa.UniqueConstraint(
            "subset", "provider", "model", "prompt_index", name=op.f("uq_questions_subset_provider_model_prompt_index")
        ),
        schema="kodcode",
    )
    op.create_index(
        "ix_questions_open",
        "questions",
        ["subset", "number"],
        schema="kodcode",
        postgresql_where="status in ('pending', 'failed')",
    )
    op.create_index(op.f("ix_questions_text_hash"), "questions", ["text_hash"], schema="kodcode")
    op.create_table(
        "minhash_bands",
        sa.Column("question_id", sa.Text(), nullable=False),
        sa.Column("h", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["question_id"], ["kodcode.questions.question_id"], name=op.f("fk_minhash_bands_question_id")
        ),
        sa.PrimaryKeyConstraint("question_id", "h", name=op.f("pk_minhash_bands")),
        schema="kodcode",
    )
    op.create_index("ix_minhash_bands_h", "minhash_bands", ["h"], schema="kodcode", postgresql_include=["question_id"])
    op.create_table(
        "trials",
        sa.Column("question_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("prompt_version", sa.Text(), nullable=True),
        sa.Column("request_hash", sa.Text(), nullable=True),
        sa.Column("solution", sa.Text(), nullable=True),
        sa.Column("test", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("outcomes", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("coverage", sa.Double(), nullable=True),
        sa.Column("duration_s", sa.Double(), nullable=True),
        sa.Column("peak_memory_mb", sa.Double(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("sandbox_level", sa.Text(), nullable=True),
        sa.Column("sandbox_environment", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("status in ('pending', 'accepted', 'rejected', 'failed')", name=op.f("ck_trials_status")),
        sa.CheckConstraint(
            "status not in ('rejected', 'failed') or reason is not null", name=op.f("ck_trials_reason")
        ),
        sa.ForeignKeyConstraint(
            ["question_id"], ["kodcode.questions.question_id"], name=op.f("fk_trials_question_id")
        ),
        sa.ForeignKeyConstraint(
            ["request_hash"], ["kodcode.llm_calls.request_hash"], name=op.f("fk_trials_request_hash")
        ),
        sa.PrimaryKeyConstraint("question_id", "attempt", name=op.f("pk_trials")),
        schema="kodcode",
    )
    op.create_index(
        "ix_trials_open",
        "trials",
        ["question_id", "attempt"],
        schema="kodcode",
        postgresql_where="status in ('pending', 'failed')",
    )
    op.create_index(op.f("ix_trials_request_hash"), "trials", ["request_hash"], schema="kodcode")
    op.create_table(
        "triplets",
        sa.Column("triplet_id", sa.Text(), nullable=False),
        sa.Column("question_id", sa.Text(), nullable=False),
        sa.Column("subset", sa.Text(), nullable=False),
        sa.Column("style", sa.Text(), nullable=False),
        sa.Column("source_triplet_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("question", sa.Text(), nullable=True),
        sa.Column("solution", sa.Text(), nullable=True),
        sa.Column("test", sa.Text(), nullable=True),
        sa.Column("test_info", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("chosen_attempt", sa.Integer(), nullable=True),
        sa.Column("pass_sequence", postgresql.ARRAY(sa.SmallInteger()), nullable=True),
        sa.Column("pass_count", sa.Integer(), nullable=True),
        sa.Column("trial_count", sa.Integer(), nullable=True),
        sa.Column("pass_percentage", sa.Double(), nullable=True),
        sa.Column("difficulty", sa.Text(), nullable=True),
        sa.Column("coverage", sa.Double(), nullable=True),
        sa.Column("benchmark_similarity", sa.Double(), nullable=True),
        sa.Column("filter_reason", sa.Text(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("prompt_version", sa.Text(), nullable=True),
        sa.Column("tries", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("difficulty in ('easy', 'medium', 'hard', 'fail')", name=op.f("ck_triplets_difficulty")),
        sa.CheckConstraint(
            "status <> 'accepted' or (question is not null and solution is not null and test is not null)",
            name=op.f("ck_triplets_whole"),
        ),
        sa.CheckConstraint("status in ('pending', 'accepted', 'rejected', 'failed')", name=op.f("ck_triplets_status")),
        sa.CheckConstraint(
            "status not in ('rejected', 'failed') or reason is not null", name=op.f("ck_triplets_reason")
        ),
        sa.CheckConstraint("style in ('instruct', 'complete', 'online_judge')", name=op.f("ck_triplets_style")),
        sa.ForeignKeyConstraint(
            ["question_id"], ["kodcode.questions.question_id"], name=op.f("fk_triplets_question_id")
        ),
        sa.ForeignKeyConstraint(
            ["source_triplet_id"], ["kodcode.triplets.triplet_id"], name=op.f("fk_triplets_source_triplet_id")
        ),
        sa.PrimaryKeyConstraint("triplet_id", name=op.f("pk_triplets")),
        sa.UniqueConstraint("question_id", "style", name=op.f("uq_triplets_question_id_style")),
        schema="kodcode",
    )
    op.create_index(
        "ix_triplets_open",
        "triplets",
        ["triplet_id"],
        schema="kodcode",
        postgresql_where="status in ('pending', 'failed')",
    )
    op.create_index(op.f("ix_triplets_subset"), "triplets", ["subset"], schema="kodcode")
    op.create_table(
        "release_items",
        sa.Column("release_id", sa.Integer(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("triplet_id", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["release_id"], ["kodcode.releases.release_id"], name=op.f("fk_release_items_release_id")
        ),
        sa.ForeignKeyConstraint(
            ["triplet_id"], ["kodcode.triplets.triplet_id"], name=op.f("fk_release_items_triplet_id")
        ),
        sa.PrimaryKeyConstraint("release_id", "format", "triplet_id", name=op.f("pk_release_items")),
        schema="kodcode",
    )
    op.create_index("ix_release_items_triplet_id", "release_items", ["triplet_id"], schema="kodcode")
    op.create_table(
        "responses",
        sa.Column("triplet_id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("outcomes", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("coverage", sa.Double(), nullable=True),
        sa.Column("duration_s", sa.Double(), nullable=True),
        sa.Column("peak_memory_mb", sa.Double(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("sandbox_level", sa.Text(), nullable=True),
        sa.Column("sandbox_environment", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status in ('pending', 'accepted', 'rejected', 'failed')", name=op.f("ck_responses_status")
        ),
        sa.CheckConstraint(
            "status not in ('rejected', 'failed') or reason is not null", name=op.f("ck_responses_reason")
        ),
        sa.ForeignKeyConstraint(
            ["request_hash"], ["kodcode.llm_calls.request_hash"], name=op.f("fk_responses_request_hash")
        ),
        sa.ForeignKeyConstraint(["triplet_id"], ["kodcode.triplets.triplet_id"], name=op.f("fk_responses_triplet_id")),
        sa.PrimaryKeyConstraint("triplet_id", "provider", "model", "attempt", name=op.f("pk_responses")),
        schema="kodcode",
    )
    op.create_index(
        "ix_responses_open",
        "responses",
        ["triplet_id", "model", "attempt"],
        schema="kodcode",
        postgresql_where="status in ('pending', 'failed')",
    )
    op.create_index(op.f("ix_responses_request_hash"), "responses", ["request_hash"], schema="kodcode")
    # What the views of sql/views were made from, and which they are; kept by tasks.store.migrate.
    op.create_table(
        "view_version",
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("views", postgresql.ARRAY(sa.Text()), nullable=False),
        schema="kodcode",
    )
