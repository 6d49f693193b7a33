"""A Parquet copy of the history, for DuckDB, polars and whatever else reads columns."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import (
    ARRAY,
    Boolean,
    Connection,
    DateTime,
    Engine,
    Float,
    Integer,
    Numeric,
    Table,
    Text,
    TypeDecorator,
    select,
    text,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import JSONB

from tasks.store.schema import (
    Base,
    BenchmarkItem,
    Contamination,
    Import,
    ImportRow,
    LlmBatch,
    LlmBatchRequest,
    LlmCall,
    Question,
    Release,
    ReleasePart,
    ReleaseShard,
    ReleaseShardRows,
    Response,
    Run,
    Seed,
    Trial,
    Triplet,
)

# What happened; not what workers coordinate by, indexes of screening, and the bytes of artifacts.
MIRRORED: tuple[type[Base], ...] = (
    Run, Seed, Question, Trial, Triplet, Response, LlmCall, LlmBatch, LlmBatchRequest, BenchmarkItem, Contamination,
    Release, ReleasePart, ReleaseShard, ReleaseShardRows, Import, ImportRow,
)  # fmt: skip
ROW_GROUP = 10_000  # rows, or fewer where they are larger than
_GROUP_BYTES = 32_000_000
_PAGE = 500  # rows in flight as Python objects
_TYPES: tuple[tuple[type[Any], pa.DataType], ...] = (
    (Text, pa.string()),
    (JSONB, pa.string()),
    (Boolean, pa.bool_()),
    (Integer, pa.int64()),
    (Float, pa.float64()),
    (Numeric, pa.decimal128(14, 8)),
    (DateTime, pa.timestamp("us", tz="UTC")),
)


class MirrorFailed(Exception):
    """The folder cannot be written; what was there before is still whole."""


@dataclass(frozen=True, slots=True)
class MirrorFile:
    path: Path
    rows: int
    bytes: int


def mirror(engine: Engine, folder: Path) -> list[MirrorFile]:
    """Write each table of the history to `folder`/TABLE.parquet, all as of one moment; files of before are replaced.

    JSON columns become texts. A page of rows and a row group are held in memory, however long the table. Files get
    their names when all are whole. Raises MirrorFailed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as name, engine.connect() as connection:
            connection.execute(text("set transaction isolation level repeatable read read only"))
            partials = [Path(name) / f"{model.__tablename__}.parquet" for model in MIRRORED]
            rows = [_write(connection, model, path) for model, path in zip(MIRRORED, partials, strict=True)]
            paths = [path.replace(folder / path.name) for path in partials]
        return [MirrorFile(path, count, path.stat().st_size) for path, count in zip(paths, rows, strict=True)]
    except OSError as error:
        raise MirrorFailed(f"The mirror cannot be written to {folder}: {error.strerror or error}.") from error


def _write(connection: Connection, model: type[Base], path: Path) -> int:
    table = cast("Table", model.__table__)
    columns = list(table.columns)
    schema = pa.schema([pa.field(column.name, _arrow(column.type), nullable=column.nullable) for column in columns])
    query = select(
        *(sql_cast(column, Text).label(column.name) if _is_json(column.type) else column for column in columns)
    ).order_by(*table.primary_key)
    rows = held = 0
    with (
        connection.execution_options(yield_per=_PAGE).execute(query) as result,
        pq.ParquetWriter(path, schema, compression="zstd") as writer,
    ):
        pages: list[pa.Table] = []
        for page in result.partitions():
            values = list(zip(*page, strict=True))
            pages.append(pa.table([pa.array(v, f.type) for v, f in zip(values, schema, strict=True)], schema=schema))
            rows += len(page)
            held += pages[-1].nbytes
            if len(pages) * _PAGE >= ROW_GROUP or held >= _GROUP_BYTES:
                writer.write_table(pa.concat_tables(pages).combine_chunks(), row_group_size=ROW_GROUP)
                pages, held = [], 0
        if pages:
            writer.write_table(pa.concat_tables(pages).combine_chunks(), row_group_size=ROW_GROUP)
    return rows


def _arrow(kind: Any) -> pa.DataType:
    if isinstance(kind, ARRAY):
        return pa.list_(_arrow(kind.item_type))
    plain = _plain(kind)
    return next(arrow for sql, arrow in _TYPES if isinstance(plain, sql))


def _is_json(kind: Any) -> bool:
    return isinstance(_plain(kind), JSONB)


def _plain(kind: Any) -> Any:
    return kind.impl if isinstance(kind, TypeDecorator) else kind
