"""Releases, and the shards that they are put together from. The view `release_items` tells which row went where."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, Integer, func, text
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


class ReleaseShard(Base):
    """The rows of some consecutive questions of a subset in all formats of a release, as files in the store.

    Its id is the hash of all that the files are made from, so that the next release which would make the same files
    takes these.
    """

    __tablename__ = "release_shards"
    __table_args__ = (Index("ix_release_shards_place", "subset", "first_number"),)

    shard_id: Mapped[str] = mapped_column(primary_key=True)
    subset: Mapped[str]
    first_number: Mapped[int]  # of a question that can be in it
    last_number: Mapped[int]
    files: Mapped[list[Json]]  # as in the manifest
    origins: Mapped[list[Json]]  # rows, seed_licences, authors: what the release's licence follows from
    prompts: Mapped[Json]  # stage -> versions of its prompts
    proven: Mapped[Json]  # format -> rows that were executed
    facts: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))  # counts that the card is summed up from
    fingerprint: Mapped[str | None]  # of its rows (tasks/pieces.py); null for those of older versions
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ReleaseShardRows(Base):
    """Which triplets have rows in a file of a shard."""

    __tablename__ = "release_shard_rows"

    shard_id: Mapped[str] = mapped_column(ForeignKey(f"{SCHEMA}.release_shards.shard_id"), primary_key=True)
    format: Mapped[str] = mapped_column(primary_key=True)
    split: Mapped[str] = mapped_column(primary_key=True)
    triplet_ids: Mapped[list[str]]


class ReleasePart(Base):
    """Which shards a release is put together from."""

    __tablename__ = "release_parts"
    __table_args__ = (
        ForeignKeyConstraint(["release_id"], [f"{SCHEMA}.releases.release_id"]),
        Index("ix_release_parts_shard_id", "shard_id"),
    )

    release_id: Mapped[int] = mapped_column(primary_key=True)
    shard_id: Mapped[str] = mapped_column(ForeignKey(f"{SCHEMA}.release_shards.shard_id"), primary_key=True)
