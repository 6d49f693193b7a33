"""A release need not choose again in a range of questions that has the fingerprint it had in the last one.

Fingerprints are of times of change. The pipeline writes them; who changes a row by hand may not think of it, and the
row would be released as it was.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TABLES = ("questions", "trials", "triplets", "responses")


def upgrade() -> None:
    op.add_column("release_shards", sa.Column("fingerprint", sa.Text(), nullable=True), schema="kodcode")
    op.execute(
        "create function kodcode.note_change() returns trigger language plpgsql as"
        " $$ begin new.updated_at := now(); return new; end $$"
    )
    for table in TABLES:
        op.execute(
            f"create trigger note_change before update on kodcode.{table} for each row"
            " when (new.updated_at = old.updated_at) execute function kodcode.note_change()"
        )


def downgrade() -> None:
    op.execute("drop function kodcode.note_change() cascade")
    op.drop_column("release_shards", "fingerprint", schema="kodcode")
