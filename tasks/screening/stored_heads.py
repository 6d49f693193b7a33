"""The SQL of vector heads: what a screening reads of the whole history, and so in large blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, func, literal, select

from tasks.screening.vectors import Heads
from tasks.store import copy_rows
from tasks.store.schema import SCHEMA, Question, VectorHead

_BLOCK_ROWS = 4_096


def missing_heads(connection: Connection, subset: str, model: str) -> NDArray[np.int32]:
    """Numbers, ascending, of a subset's accepted questions without a head of this model: another embedder's."""
    # Two plain scans and a difference here: an anti-join of tables that grow faster than their statistics is planned
    # as a look-up a row.
    accepted = select(Question.number).where(
        Question.subset == subset, Question.status == "accepted", Question.text.is_not(None)
    )
    known = select(VectorHead.number).where(VectorHead.model == model, VectorHead.subset == subset)
    present = _numbers(connection, accepted)
    missing: NDArray[np.int32] = np.sort(present[np.isin(present, _numbers(connection, known), invert=True)])
    return missing


def _numbers(connection: Connection, query: Select[int]) -> NDArray[np.int32]:
    number = query.subquery().c.number
    joined = connection.scalar(select(func.string_agg(func.int4send(number), literal(b""))))
    return np.frombuffer(joined or b"", dtype=">i4").astype(np.int32)


def stored_heads(
    connection: Connection, model: str, subset: str | None
) -> Iterator[tuple[str, NDArray[np.int32], Heads]]:
    """(subset, numbers, heads) of the accepted questions, of a subset or of all, in blocks of one width."""
    for name in _subsets_with_heads(connection, model) if subset is None else [subset]:
        yield from _heads_of_subset(connection, model, name)


def _subsets_with_heads(connection: Connection, model: str) -> Iterator[str]:
    # From one to the next by the index: `distinct` would read all rows.
    following = select(func.min(VectorHead.subset)).where(VectorHead.model == model)
    subset = connection.scalar(following)
    while subset is not None:
        yield subset
        subset = connection.scalar(following.where(VectorHead.subset > subset))


def _heads_of_subset(
    connection: Connection, model: str, subset: str
) -> Iterator[tuple[str, NDArray[np.int32], Heads]]:
    # The server joins some thousand heads to one value: for a history of 200,000, a Python object a row costs most.
    # It walks the primary key from block to block, so that nothing is sorted, and memory is that of a block.
    query = f"""
        select max(number), octet_length(head), string_agg(int4send(number) || head, '')
        from (
            select number, head from {SCHEMA}.vector_heads
            where model = %s and subset = %s and number > %s order by number limit {_BLOCK_ROWS}
        ) as block
        group by octet_length(head)
    """  # noqa: S608 (constants)
    driver: Any = connection.connection.driver_connection
    after = -1
    with driver.cursor(binary=True) as cursor:  # as text, a byte is two characters to write and to read
        while found := cursor.execute(query, (model, subset, after)).fetchall():
            for last, size, joined in found:
                after = max(after, last)
                rows = np.frombuffer(joined, dtype=np.dtype([("number", ">i4"), ("head", f"V{size}")]))
                added = np.frombuffer(rows["head"].tobytes(), dtype="<f2").reshape(len(rows), -1)
                yield subset, rows["number"].astype(np.int32), added.astype(np.float16, copy=False)


def add_heads(connection: Connection, model: str, places: Sequence[tuple[str, int]], added: Sequence[Heads]) -> None:
    """Store the heads of the questions at these (subset, number); one that is there already gives way."""
    rows = [
        {"model": model, "subset": subset, "number": number, "head": row.astype("<f2").tobytes()}
        for (subset, number), row in zip(places, added, strict=True)
    ]
    copy_rows(connection, VectorHead, rows, update=("head",))
