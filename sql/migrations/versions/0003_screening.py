"""Heads of vectors, contamination findings, solutions of benchmark items, what the annotator said of a question."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "vector_heads",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("subset", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("model", "subset", "number", name=op.f("pk_vector_heads")),
        schema="kodcode",
    )
    # Half floats do not compress; trying costs time at every write.
    op.execute("alter table kodcode.vector_heads alter column head set storage external")
    op.create_table(
        "contaminations",
        sa.Column("question_id", sa.Text(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("benchmark", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "measure in ('cosine', 'words', 'code', 'solution')", name=op.f("ck_contaminations_measure")
        ),
        sa.ForeignKeyConstraint(
            ["benchmark", "item_id"],
            ["kodcode.benchmark_items.benchmark", "kodcode.benchmark_items.item_id"],
            name=op.f("fk_contaminations_benchmark_item_id"),
        ),
        sa.ForeignKeyConstraint(
            ["question_id"], ["kodcode.questions.question_id"], name=op.f("fk_contaminations_question_id")
        ),
        sa.PrimaryKeyConstraint("question_id", "measure", name=op.f("pk_contaminations")),
        schema="kodcode",
    )
    op.create_index("ix_contaminations_item", "contaminations", ["benchmark", "item_id"], schema="kodcode")
    op.add_column("benchmark_items", sa.Column("solution", sa.Text(), nullable=True), schema="kodcode")
    op.add_column("questions", sa.Column("caution", sa.Text(), nullable=True), schema="kodcode")
    op.create_index(
        "ix_questions_duplicate_of",
        "questions",
        ["duplicate_of"],
        schema="kodcode",
        postgresql_where="duplicate_of is not null",
    )


def downgrade() -> None:
    op.drop_index("ix_questions_duplicate_of", "questions", schema="kodcode")
    op.drop_column("questions", "caution", schema="kodcode")
    op.drop_column("benchmark_items", "solution", schema="kodcode")
    op.drop_table("contaminations", schema="kodcode")
    op.drop_table("vector_heads", schema="kodcode")
