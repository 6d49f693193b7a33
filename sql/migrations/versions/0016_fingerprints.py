"""When rows changed is in the indexes that a release's fingerprints are taken from, so that it reads no table."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# Index -> table, columns, columns included besides: before and now.
QUESTIONS = ["provider", "model", "caution", "seed_ids"]
INDEXES = {
    "ix_questions_history": (
        "questions", ["subset", "status", "reason", "question_id"], QUESTIONS,
        [*QUESTIONS, "benchmark", "benchmark_item", "updated_at"],
    ),
    "ix_trials_history": ("trials", ["question_id", "model", "status", "attempt"], [], ["updated_at"]),
}  # fmt: skip


def upgrade() -> None:
    for name, (table, columns, _, included) in INDEXES.items():
        op.drop_index(name, table_name=table, schema="kodcode")
        op.create_index(name, table, columns, schema="kodcode", postgresql_include=included)


def downgrade() -> None:
    for name, (table, columns, included, _) in INDEXES.items():
        op.drop_index(name, table_name=table, schema="kodcode")
        op.create_index(name, table, columns, schema="kodcode", postgresql_include=included)
