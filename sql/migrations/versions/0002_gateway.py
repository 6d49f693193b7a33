"""The gateway's leases, spending and shared limits."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")


def upgrade() -> None:
    op.create_table(
        "llm_workers",
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process_start", sa.Float(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("worker_id", name=op.f("pk_llm_workers")),
        schema="kodcode",
    )
    op.create_table(
        "llm_leases",
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("subset", sa.Text(), nullable=False),
        sa.Column("reserved_usd", sa.Numeric(precision=14, scale=8), nullable=False),
        sa.Column("leased_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("request_hash", name=op.f("pk_llm_leases")),
        schema="kodcode",
    )
    op.create_table(
        "llm_spending",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("spent_usd", sa.Numeric(precision=14, scale=8), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_llm_spending")),
        schema="kodcode",
    )
    # The day's spending before this table was there.
    op.execute(
        "insert into kodcode.llm_spending (scope, spent_usd) "
        "select 'day:' || to_char(created_at at time zone 'UTC', 'YYYY-MM-DD'), coalesce(sum(cost_usd), 0) "
        "from kodcode.llm_calls group by 1"
    )
    op.create_table(
        "llm_limits",
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("state", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("endpoint", "model", name=op.f("pk_llm_limits")),
        schema="kodcode",
    )


def downgrade() -> None:
    for table in ("llm_limits", "llm_spending", "llm_leases", "llm_workers"):
        op.drop_table(table, schema="kodcode")
