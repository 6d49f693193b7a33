"""Releases and the rows that they hold."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, Integer, func
from sqlalchemy.orm import Mapped, mapped_column

from tasks.store.schema.base import SCHEMA, Base, Json


class Release(Base):
    """An immutable, numbered dataset; making one whose content is the newest's returns that one."""

    __tablename__ = "releases"

    release_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    content_hash: Mapped[str]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey(f"{SCHEMA}.releases.release_id"))
    path: Mapped[str]
    manifest: Mapped[Json]
    rows: Mapped[int]  # of KodCode-V1, all splits
    run_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ReleaseItem(Base):
    """Which row went where."""

    __tablename__ = "release_items"
    __table_args__ = (
        ForeignKeyConstraint(["release_id"], [f"{SCHEMA}.releases.release_id"]),
        Index("ix_release_items_triplet_id", "triplet_id"),
    )

    release_id: Mapped[int] = mapped_column(primary_key=True)
    format: Mapped[str] = mapped_column(primary_key=True)
    triplet_id: Mapped[str] = mapped_column(ForeignKey(f"{SCHEMA}.triplets.triplet_id"), primary_key=True)
    split: Mapped[str]
