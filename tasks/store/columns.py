"""Reads what a query finds as an Arrow table, without an object of Python for any row.

The database gathers each column into one value: texts as one long text with the bytes of each, numbers as they are
sent. These are nearly the buffers that Arrow has, so that numpy turns whole columns at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, LiteralString, cast

import numpy as np
import psycopg
import pyarrow as pa
from psycopg import sql
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

Kind = Literal["text", "int", "float"]

# Bytes, and not arrays, whose items PostgreSQL sends one by one.
_GATHERED: Mapping[Kind, str] = {
    "text": "string_agg({0}, ''), string_agg(int4send(coalesce(octet_length({0}), -1)), '')",
    "int": "string_agg(int8send(coalesce({0}, 0)::int8), ''), string_agg(boolsend({0} is null), '')",
    "float": "string_agg(float8send(coalesce({0}, 0)::float8), ''), string_agg(boolsend({0} is null), '')",
}
_NUMBERS: Mapping[Kind, tuple[str, Any, pa.DataType]] = {
    "int": (">i8", np.int64, pa.int64()),
    "float": (">f8", np.float64, pa.float64()),
}


def read_columns(
    connection: Connection, query: LiteralString, kinds: Mapping[str, Kind], parameters: Mapping[str, Any]
) -> pa.RecordBatch:
    """The rows of `query` in its order, with the columns that `kinds` names: `string`, `int64` or `double`.

    The query has psycopg's placeholders (%(name)s). All rows are in memory at once, in the database too, whose bound
    is 1 GB of a text column in UTF-8. Raises SQLAlchemy's errors as any statement does.
    """
    statement = _gathering(query, tuple(kinds.items()))
    try:
        with cast("psycopg.Connection[Any]", connection.connection.driver_connection).cursor(binary=True) as cursor:
            cursor.execute(statement, parameters)
            result = cursor.pgresult
            assert result is not None
            values = iter([result.get_value(0, place) for place in range(result.nfields)])
    except psycopg.Error as error:
        raise DBAPIError.instance(query, parameters, error, psycopg.Error, dialect=connection.dialect) from error
    columns = [_column(kind, next(values), next(values)) for kind in kinds.values()]
    return pa.RecordBatch.from_arrays(columns, names=list(kinds))


@cache
def _gathering(query: LiteralString, kinds: tuple[tuple[str, Kind], ...]) -> bytes:
    columns = sql.SQL(", ").join(sql.SQL(_GATHERED[kind]).format(sql.Identifier(name)) for name, kind in kinds)
    return sql.SQL("select {} from ({}) as found").format(columns, sql.SQL(query)).as_bytes()


def _column(kind: Kind, content: bytes | None, beside: bytes | None) -> pa.Array:
    """An Arrow array of what was gathered; both are None where the query found nothing."""
    if kind == "text":
        lengths = np.frombuffer(beside or b"", ">i4")
        offsets = np.zeros(len(lengths) + 1, np.int32)
        np.cumsum(np.maximum(lengths, 0), out=offsets[1:])
        buffers = [_bitmap(lengths >= 0), pa.py_buffer(offsets), pa.py_buffer(content or b"")]
        return pa.Array.from_buffers(pa.string(), len(lengths), buffers)
    sent, native, of = _NUMBERS[kind]
    return pa.array(np.frombuffer(content or b"", sent).astype(native), of, mask=np.frombuffer(beside or b"", bool))


def _bitmap(valid: np.ndarray[Any, Any]) -> pa.Buffer | None:
    return None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
