"""Trust, attempt tiers, pass@k and the lengths of responses."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

JSON = postgresql.JSONB(astext_type=sa.Text())
SIGNALS = (
    ("consensus", sa.Float),
    ("kill_rate", sa.Float),
    ("stub_rejected", sa.Boolean),
    ("stable", sa.Boolean),
    ("trust", sa.Float),
)


def upgrade() -> None:
    for table in ("trials", "triplets"):
        for name, kind in SIGNALS:
            op.add_column(table, sa.Column(name, kind(), nullable=True), schema="kodcode")
    op.add_column("trials", sa.Column("tier", sa.Integer(), server_default="0", nullable=False), schema="kodcode")
    op.add_column("trials", sa.Column("agreement", JSON, nullable=True), schema="kodcode")
    op.add_column("trials", sa.Column("evidence", JSON, nullable=True), schema="kodcode")
    op.add_column("trials", sa.Column("assessed_with", sa.Integer(), nullable=True), schema="kodcode")
    op.add_column("triplets", sa.Column("pass_at_k", postgresql.ARRAY(sa.Float()), nullable=True), schema="kodcode")
    op.add_column("triplets", sa.Column("pass_low", sa.Float(), nullable=True), schema="kodcode")
    op.add_column("triplets", sa.Column("pass_high", sa.Float(), nullable=True), schema="kodcode")
    op.create_check_constraint(op.f("ck_triplets_trust"), "triplets", "trust between 0 and 1", schema="kodcode")
    op.create_check_constraint(op.f("ck_trials_trust"), "trials", "trust between 0 and 1", schema="kodcode")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_trials_trust"), "trials", schema="kodcode")
    op.drop_constraint(op.f("ck_triplets_trust"), "triplets", schema="kodcode")
    for name in ("pass_high", "pass_low", "pass_at_k"):
        op.drop_column("triplets", name, schema="kodcode")
    for name in ("assessed_with", "evidence", "agreement", "tier"):
        op.drop_column("trials", name, schema="kodcode")
    for table in ("triplets", "trials"):
        for name, _ in reversed(SIGNALS):
            op.drop_column(table, name, schema="kodcode")
