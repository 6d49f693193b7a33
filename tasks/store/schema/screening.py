"""What screening remembers of every question, and the benchmarks that questions are held against."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from tasks.store.schema.base import SCHEMA, Base


class MinhashBand(Base):
    """A band hash of a screened question; the band's number is mixed into `h`. Rejected questions have none."""

    __tablename__ = "minhash_bands"
    __table_args__ = (Index("ix_minhash_bands_h", "h", postgresql_include=["question_id"]),)

    question_id: Mapped[str] = mapped_column(ForeignKey(f"{SCHEMA}.questions.question_id"), primary_key=True)
    h: Mapped[int] = mapped_column(BigInteger, primary_key=True)


class Embedding(Base):
    """A unit vector (float32, little-endian) once per (text, model)."""

    __tablename__ = "embeddings"

    model: Mapped[str] = mapped_column(primary_key=True)
    text_hash: Mapped[str] = mapped_column(primary_key=True)
    vector: Mapped[bytes]


class VectorHead(Base):
    """The first components of an accepted question's vector and the length of the rest, as float16.

    What nominates near questions without reading whole vectors (`tasks.screening.vectors`). A row whose question is
    no longer accepted does no harm: nominations are checked against `questions`.
    """

    __tablename__ = "vector_heads"

    model: Mapped[str] = mapped_column(primary_key=True)
    subset: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    head: Mapped[bytes]


class BenchmarkItem(Base):
    """A problem that training data must not contain."""

    __tablename__ = "benchmark_items"

    benchmark: Mapped[str] = mapped_column(primary_key=True)
    item_id: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str]
    text_hash: Mapped[str]
    solution: Mapped[str | None]  # the reference solution, where the benchmark publishes one


class Contamination(Base):
    """By what a question is too near to a benchmark: at most one row a measure, that of the nearest item."""

    __tablename__ = "contaminations"
    __table_args__ = (
        CheckConstraint("measure in ('cosine', 'words', 'code', 'terms', 'solution')", name="measure"),
        ForeignKeyConstraint(
            ["benchmark", "item_id"], [f"{SCHEMA}.benchmark_items.benchmark", f"{SCHEMA}.benchmark_items.item_id"]
        ),
        Index("ix_contaminations_item", "benchmark", "item_id"),
    )

    question_id: Mapped[str] = mapped_column(ForeignKey(f"{SCHEMA}.questions.question_id"), primary_key=True)
    measure: Mapped[str] = mapped_column(primary_key=True)
    benchmark: Mapped[str]
    item_id: Mapped[str]
    value: Mapped[float]  # cosine, weighted Jaccard similarity, or share of the item's n-grams
    threshold: Mapped[float]  # that it reached
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
