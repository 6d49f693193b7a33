"""Files that were imported, and what became of each of their rows."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from tasks.store.schema.base import SCHEMA, Base, Json

IMPORTED = "imported"  # the provider of questions, trials and conversions that come from a file


class Import(Base):
    """A file, read in one way. The same content read in the same way is the same import, whatever its path."""

    __tablename__ = "imports"
    __table_args__ = (
        CheckConstraint("status in ('reading', 'read', 'completed')", name="status"),
        CheckConstraint("layout in ('kodcode', 'plain')", name="layout"),
    )

    import_id: Mapped[str] = mapped_column(primary_key=True)  # SHA-256 of the content and how it is read
    path: Mapped[str]  # as it was named
    name: Mapped[str]  # the model of rows whose source names none
    layout: Mapped[str]
    licence: Mapped[str | None]  # as who imported it stated it
    status: Mapped[str] = mapped_column(server_default="reading")  # read: every row is in import_rows
    run_id: Mapped[str | None] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ImportRow(Base):
    """A row of a file: stored as a question and trials, skipped because the pipeline proposed the question itself, or
    bad for a reason."""

    __tablename__ = "import_rows"
    __table_args__ = (
        CheckConstraint("status in ('stored', 'skipped', 'bad')", name="status"),
        CheckConstraint("status = 'stored' or reason is not null", name="reason"),
        CheckConstraint("status = 'bad' or question_id is not null", name="question"),
        Index("ix_import_rows_question_id", "question_id"),
    )

    import_id: Mapped[str] = mapped_column(ForeignKey(f"{SCHEMA}.imports.import_id"), primary_key=True)
    row: Mapped[int] = mapped_column(BigInteger, primary_key=True)  # from 1; of JSON lines, the line
    status: Mapped[str]
    reason: Mapped[str | None]
    detail: Mapped[str | None]
    question_id: Mapped[str | None] = mapped_column(ForeignKey(f"{SCHEMA}.questions.question_id"))
    style: Mapped[str | None]
    claim: Mapped[Json | None]  # what the source says of the row; no verdict is taken from it
