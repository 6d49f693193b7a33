"""Whether a pass was repeated with solution and test in two processes."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("trials", "responses"):
        op.add_column(table, sa.Column("apart", sa.Boolean(), nullable=True), schema="kodcode")


def downgrade() -> None:
    for table in ("responses", "trials"):
        op.drop_column(table, "apart", schema="kodcode")
