"""Shards: rows of a stage that one worker takes at a time, by lease and with a fencing token."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from tasks.store.schema.base import Base, Json


class Shard(Base):
    """Some open rows of a stage. `open` waits for a worker, `leased` has one, `done` was worked through (its rows say
    how each ended), `dead` lost its worker again and again and waits for a person."""

    __tablename__ = "shards"
    __table_args__ = (
        CheckConstraint("status in ('open', 'leased', 'done', 'dead')", name="status"),
        Index("ix_shards_unfinished", "stage", postgresql_where="status <> 'done'"),
        Index("ix_shards_measured", "stage", "finished_at", postgresql_where="status = 'done'"),
    )

    shard_id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    stage: Mapped[str]
    work: Mapped[Json]  # what is to be done with the rows: models and parameters of the stage
    rows: Mapped[list[str]]  # keys of its rows; a row is in one unfinished shard at most. Empty once it is done
    wanted_by: Mapped[list[str]]  # runs that wait for it
    status: Mapped[str] = mapped_column(server_default="open")
    reason: Mapped[str | None]  # why it was given up last, or is dead
    attempts: Mapped[int] = mapped_column(server_default=text("0"))  # workers since a row of it last ended
    remaining: Mapped[int | None]  # rows that were open when its worker began
    token: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))  # every claim has a higher one
    owner: Mapped[str | None]  # host:pid of its last worker
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    claimed_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
