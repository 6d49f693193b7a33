"""What the card of a release says of a shard is counted once, when the shard is made, and kept with it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "release_shards",
        # No release takes a shard that an older version of the code made, so that nobody reads this default.
        sa.Column("facts", JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        schema="kodcode",
    )


def downgrade() -> None:
    op.drop_column("release_shards", "facts", schema="kodcode")
