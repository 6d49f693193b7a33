"""Imported files and their rows."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "imports",
        sa.Column("import_id", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("layout", sa.Text(), nullable=False),
        sa.Column("licence", sa.Text()),
        sa.Column("status", sa.Text(), nullable=False, server_default="reading"),
        sa.Column("run_id", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("import_id", name=op.f("pk_imports")),
        sa.CheckConstraint("status in ('reading', 'read', 'completed')", name=op.f("ck_imports_status")),
        sa.CheckConstraint("layout in ('kodcode', 'plain')", name=op.f("ck_imports_layout")),
        schema="kodcode",
    )
    op.create_index("ix_imports_run_id", "imports", ["run_id"], schema="kodcode")
    op.create_table(
        "import_rows",
        sa.Column("import_id", sa.Text(), nullable=False),
        sa.Column("row", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("detail", sa.Text()),
        sa.Column("question_id", sa.Text()),
        sa.Column("style", sa.Text()),
        sa.Column("claim", JSONB()),
        sa.PrimaryKeyConstraint("import_id", "row", name=op.f("pk_import_rows")),
        sa.ForeignKeyConstraint(
            ["import_id"], ["kodcode.imports.import_id"], name=op.f("fk_import_rows_import_id")
        ),
        sa.ForeignKeyConstraint(
            ["question_id"], ["kodcode.questions.question_id"], name=op.f("fk_import_rows_question_id")
        ),
        sa.CheckConstraint("status in ('stored', 'skipped', 'bad')", name=op.f("ck_import_rows_status")),
        sa.CheckConstraint("status = 'stored' or reason is not null", name=op.f("ck_import_rows_reason")),
        sa.CheckConstraint("status = 'bad' or question_id is not null", name=op.f("ck_import_rows_question")),
        schema="kodcode",
    )
    op.create_index("ix_import_rows_question_id", "import_rows", ["question_id"], schema="kodcode")


def downgrade() -> None:
    op.drop_table("import_rows", schema="kodcode")
    op.drop_table("imports", schema="kodcode")
