"""Batches of requests and their members."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")
_OPEN = sa.text("status in ('built', 'uploaded', 'submitted')")


def upgrade() -> None:
    op.add_column("llm_leases", sa.Column("batch_id", sa.Text(), nullable=True), schema="kodcode")
    op.create_index(op.f("ix_llm_leases_batch_id"), "llm_leases", ["batch_id"], schema="kodcode")
    op.create_table(
        "llm_batches",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("input_file_id", sa.Text(), nullable=True),
        sa.Column("provider_batch_id", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status in ('built', 'uploaded', 'submitted', 'collected', 'expired', 'failed')",
            name=op.f("ck_llm_batches_status"),
        ),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("pk_llm_batches")),
        schema="kodcode",
    )
    op.create_index(op.f("ix_llm_batches_run_id"), "llm_batches", ["run_id"], schema="kodcode")
    op.create_index("ix_llm_batches_open", "llm_batches", ["provider"], schema="kodcode", postgresql_where=_OPEN)
    op.create_table(
        "llm_batch_requests",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("subset", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status in ('open', 'answered', 'refused', 'failed', 'expired', 'missing')",
            name=op.f("ck_llm_batch_requests_status"),
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["kodcode.llm_batches.batch_id"], name=op.f("fk_llm_batch_requests_batch_id")
        ),
        sa.ForeignKeyConstraint(
            ["request_hash"], ["kodcode.artifacts.key"], name=op.f("fk_llm_batch_requests_request_hash")
        ),
        sa.PrimaryKeyConstraint("batch_id", "request_hash", name=op.f("pk_llm_batch_requests")),
        schema="kodcode",
    )
    op.create_index("ix_llm_batch_requests_request_hash", "llm_batch_requests", ["request_hash"], schema="kodcode")


def downgrade() -> None:
    op.drop_table("llm_batch_requests", schema="kodcode")
    op.drop_table("llm_batches", schema="kodcode")
    op.drop_column("llm_leases", "batch_id", schema="kodcode")
