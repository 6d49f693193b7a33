"""The whole history of one row, from its seeds, or the files it is from, over trials and responses to releases."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, func, select

from tasks.store.schema import (
    Import,
    ImportRow,
    LlmCall,
    Question,
    ReleasePart,
    ReleaseShard,
    ReleaseShardRows,
    Response,
    Seed,
    Trial,
    Triplet,
)

Json = dict[str, Any]


class UnknownId(Exception):
    """No row has this id."""


def why(engine: Engine, row_id: str) -> Json:
    """All that is known of a question, given its id or that of one of its triplets or trials.

    Ids look like Leetcode_00000012 (question), Leetcode_00000012_I (triplet) and Leetcode_00000012:0 (trial). Raises
    UnknownId.
    """
    question_id = re.sub(r"(_[ICO])?(:.*)?$", "", row_id)
    with engine.connect() as connection:
        question = _one(connection, select(Question.__table__).where(Question.question_id == question_id))
        if question is None:
            raise UnknownId(
                f"No row has the id {row_id!r}. Ids look like Leetcode_00000012 (a question), Leetcode_00000012_I (a "
                "triplet) or Leetcode_00000012:0 (a trial); the table questions holds them all."
            )
        triplets = _all(
            connection,
            select(Triplet.__table__).where(Triplet.question_id == question_id).order_by(Triplet.triplet_id),
        )
        ids = [triplet["triplet_id"] for triplet in triplets]
        return {
            "question": dict(question),
            "seeds": _in_order(connection, question["seed_ids"]),
            "asked": _calls(connection, [question["request_hash"], question["annotation_hash"]]),
            "imported_from": _all(
                connection,
                select(Import.path, Import.licence, ImportRow.__table__)
                .join(Import, Import.import_id == ImportRow.import_id)
                .where(ImportRow.question_id == question_id)
                .order_by(Import.created_at, ImportRow.row),
            ),
            "collided_with": _collision(connection, question),
            "trials": _with_calls(
                connection, select(Trial.__table__).where(Trial.question_id == question_id).order_by(Trial.attempt)
            ),
            "triplets": triplets,
            "responses": _with_calls(
                connection,
                select(Response.__table__)
                .where(Response.triplet_id.in_(ids))
                .order_by(Response.triplet_id, Response.model, Response.attempt),
            ),
            "releases": _releases(connection, question, ids),
        }


def _releases(connection: Connection, question: RowMapping, ids: Sequence[str]) -> list[Json]:
    """By the place of the question, so that not all rows of all releases are read."""
    listed = func.unnest(ReleaseShardRows.triplet_ids).table_valued("triplet_id").render_derived(name="listed")
    return _all(
        connection,
        select(ReleasePart.release_id, ReleaseShardRows.format, listed.c.triplet_id, ReleaseShardRows.split)
        .select_from(ReleaseShard)
        .join(ReleasePart, ReleasePart.shard_id == ReleaseShard.shard_id)
        .join(ReleaseShardRows, ReleaseShardRows.shard_id == ReleaseShard.shard_id)
        .join(listed, listed.c.triplet_id.in_(ids))
        .where(ReleaseShard.subset == question["subset"], ReleaseShard.first_number <= question["number"])
        .where(ReleaseShard.last_number >= question["number"])
        .order_by(ReleasePart.release_id, ReleaseShardRows.format, listed.c.triplet_id),
    )


def _collision(connection: Connection, question: RowMapping) -> Json | None:
    if question["duplicate_of"] is not None:
        return _one_dict(
            connection,
            select(Question.question_id, Question.text).where(Question.question_id == question["duplicate_of"]),
        )
    if question["reason"] == "contaminated":
        return {"benchmark": question["benchmark"], "item": question["benchmark_item"]}
    return None


def _in_order(connection: Connection, seed_ids: Sequence[str]) -> list[Json]:
    found = {
        row["seed_id"]: dict(row)
        for row in connection.execute(select(Seed.__table__).where(Seed.seed_id.in_(seed_ids))).mappings()
    }
    return [found[seed_id] for seed_id in seed_ids]


def _calls(connection: Connection, hashes: Sequence[str | None]) -> list[Json]:
    wanted = [request_hash for request_hash in hashes if request_hash]
    return _all(connection, select(LlmCall.__table__).where(LlmCall.request_hash.in_(wanted)))


def _with_calls(connection: Connection, statement: Any) -> list[Json]:
    rows = _all(connection, statement)
    calls = {call["request_hash"]: call for call in _calls(connection, [row["request_hash"] for row in rows])}
    return [row | {"call": calls.get(row["request_hash"])} for row in rows]


def _all(connection: Connection, statement: Any) -> list[Json]:
    return [dict(row) for row in connection.execute(statement).mappings()]


def _one(connection: Connection, statement: Any) -> RowMapping | None:
    return connection.execute(statement).mappings().one_or_none()


def _one_dict(connection: Connection, statement: Any) -> Json | None:
    row = _one(connection, statement)
    return None if row is None else dict(row)
