"""Runs say when their process began, which tells it from a later one with its number, and where their trace is."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("process_start", sa.Float(), nullable=True), schema="kodcode")
    op.add_column("runs", sa.Column("traceparent", sa.Text(), nullable=True), schema="kodcode")


def downgrade() -> None:
    for column in ("traceparent", "process_start"):
        op.drop_column("runs", column, schema="kodcode")
