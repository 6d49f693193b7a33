"""Shards with leases and fencing tokens, and the heartbeat of runs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("alive_until", sa.DateTime(timezone=True), nullable=True), schema="kodcode")
    op.add_column("runs", sa.Column("stop", postgresql.JSONB(), nullable=True), schema="kodcode")
    op.create_table(
        "shards",
        sa.Column("shard_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("work", postgresql.JSONB(), nullable=False),
        sa.Column("rows", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("wanted_by", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("status", sa.Text(), server_default="open", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("remaining", sa.Integer(), nullable=True),
        sa.Column("token", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status in ('open', 'leased', 'done', 'dead')", name=op.f("ck_shards_status")),
        sa.PrimaryKeyConstraint("shard_id", name=op.f("pk_shards")),
        schema="kodcode",
    )
    op.create_index(
        "ix_shards_unfinished", "shards", ["stage"], schema="kodcode", postgresql_where="status <> 'done'"
    )
    op.create_index(
        "ix_shards_measured", "shards", ["stage", "finished_at"], schema="kodcode", postgresql_where="status = 'done'"
    )


def downgrade() -> None:
    op.drop_table("shards", schema="kodcode")
    for column in ("stop", "alive_until"):
        op.drop_column("runs", column, schema="kodcode")
