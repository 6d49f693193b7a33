"""Functions of the rollup that look up what a row refers to, where those of before could read all calls for a row."""

from alembic import context

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """0012 makes them so by now; a database that it migrated earlier gets them here."""
    context.script.get_revision("0012").module.make_functions()


def downgrade() -> None:
    """They add up the same as those of before."""
