"""What the annotator says of a question, in columns; a further measure of contamination."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("questions", sa.Column("annotated_category", sa.Text(), nullable=True), schema="kodcode")
    op.add_column("questions", sa.Column("annotated_difficulty", sa.Text(), nullable=True), schema="kodcode")
    op.add_column("questions", sa.Column("annotated_clarity", sa.SmallInteger(), nullable=True), schema="kodcode")
    op.create_check_constraint(
        op.f("ck_questions_annotated_difficulty"),
        "questions",
        "annotated_difficulty in ('easy', 'medium', 'hard')",
        schema="kodcode",
    )
    op.create_check_constraint(
        op.f("ck_questions_annotated_clarity"), "questions", "annotated_clarity between 1 and 5", schema="kodcode"
    )
    _measures("'cosine', 'words', 'code', 'terms', 'solution'")


def _measures(known: str) -> None:
    name = op.f("ck_contaminations_measure")
    op.drop_constraint(name, "contaminations", schema="kodcode")
    op.create_check_constraint(name, "contaminations", f"measure in ({known})", schema="kodcode")


def downgrade() -> None:
    op.execute("delete from kodcode.contaminations where measure = 'terms'")
    _measures("'cosine', 'words', 'code', 'solution'")
    op.drop_constraint(op.f("ck_questions_annotated_clarity"), "questions", schema="kodcode")
    op.drop_constraint(op.f("ck_questions_annotated_difficulty"), "questions", schema="kodcode")
    for name in ("annotated_clarity", "annotated_difficulty", "annotated_category"):
        op.drop_column("questions", name, schema="kodcode")
