"""Seeds from tables: JSONL, Parquet and CSV files, local, on S3 (`s3://`) or on Hugging Face (`hf://`)."""

from __future__ import annotations

import gzip
import json
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.subsets.seeds import MAX_CHARS, RowProblem, Seed, SeedError, SeedReport, collect

_REMOTE = re.compile(r"(s3|hf|https?)://", re.IGNORECASE)
_HF = re.compile(r"hf://(datasets|spaces)/([^/@]+/[^/@]+)(?:@([^/]+))?/(.+)\Z")
_LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
SUFFIXES = (*_LINES, ".parquet", ".csv", ".csv.gz", ".tsv")

Candidate = tuple[int, object, Seed | None]


def is_table(path: str) -> bool:
    """Whether the ending says that this is a table."""
    return path.lower().endswith(SUFFIXES)


def is_remote(path: str) -> bool:
    return _REMOTE.match(path) is not None


def revision_of(path: str) -> str | None:
    """The revision that an hf:// path names: `hf://datasets/owner/name@REVISION/file`."""
    found = _HF.match(path)
    return (found[3] or "main") if found else None


def resolve(path: str) -> str:
    """The address to read: hf:// goes to the mirror that HF_ENDPOINT names, if any; all else stays as it is."""
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    found = _HF.match(path)
    if not found or not endpoint:
        return path
    kind, repository, revision, name = found.groups()
    if any(character in name for character in "*?["):
        raise SeedError(
            f"{path} holds a pattern, which the mirror in HF_ENDPOINT cannot resolve. Name the files one by one, "
            "or unset HF_ENDPOINT."
        )
    return f"{endpoint}/{kind}/{repository}/resolve/{(revision or 'main').replace('~', 'refs/convert/')}/{name}"


def load_table(
    path: str,
    column: str = "text",
    *,
    revision: str | None = None,
    licence: str | None = None,
    limit: int | None = None,
    max_chars: int = MAX_CHARS,
    storage_options: dict[str, str] | None = None,
) -> SeedReport:
    """One seed a row from `column`. Rows that cannot be used are reported by number and the others used.

    A row of a JSONL may also carry `source` and `licence` of its own. Raises SeedError if the file cannot be read at
    all or has no such column.
    """
    import polars as pl  # noqa: PLC0415 (slow to import, and built-in seeds do without)

    origin = Seed("", path, revision or revision_of(path), licence)
    lowered = path.lower()
    try:
        if lowered.endswith(_LINES):
            rows = _lines(path, storage_options)
            return collect(_objects(rows, column, origin, limit), path, max_chars)
        return collect(_cells(path, column, origin, limit, storage_options), path, max_chars)
    except FileNotFoundError as error:
        raise SeedError(f"The seeds file {path} does not exist.") from error
    except (OSError, EOFError, zlib.error, pl.exceptions.PolarsError) as error:
        raise SeedError(f"The seeds in {path} cannot be read: {_first_line(error)}") from error


def _lines(path: str, storage_options: dict[str, str] | None) -> Iterator[bytes]:
    if is_remote(path):
        import polars as pl  # noqa: PLC0415

        scan: Any = pl.scan_lines(resolve(path), storage_options=_options(storage_options))
        for line in scan.collect()["line"]:
            yield line.encode()
        return
    with Path(path).open("rb") as stored:
        yield from gzip.GzipFile(fileobj=stored) if path.lower().endswith(".gz") else stored


def _objects(lines: Iterator[bytes], column: str, origin: Seed, limit: int | None) -> Iterator[Candidate]:
    taken = 0
    for number, line in enumerate(lines, 1):
        if limit is not None and taken >= limit:
            return
        text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if not text.strip():
            continue
        candidate = _object(number, text, column, origin)
        taken += isinstance(candidate[1], str)
        yield candidate


def _object(number: int, line: bytes, column: str, origin: Seed) -> Candidate:
    def problem(reason: str) -> Candidate:
        return number, RowProblem(number, reason, origin.source), None

    try:
        row = json.loads(line)
    except UnicodeDecodeError as error:
        return problem(f"not UTF-8 at byte {error.start}")
    except (ValueError, RecursionError) as error:  # ValueError also for a number with too many digits
        return problem(f"not JSON: {_first_line(error)}")
    if isinstance(row, str):
        return number, row, origin
    if not isinstance(row, dict):
        return problem(f"not a JSON object but a {type(row).__name__}")
    if column not in row:
        names = ", ".join(list(row)[:8]) or "none"
        return problem(f"no field '{column}' (fields: {names})")
    own = Seed(
        "",
        _text(row.get("source")) or origin.source,
        _text(row.get("revision")) or origin.revision,
        _text(row.get("licence")) or _text(row.get("license")) or origin.licence,
    )
    return number, row[column], own


def _text(value: object) -> str | None:
    return value.strip() if isinstance(value, str) and value.strip() else None


def _cells(
    path: str, column: str, origin: Seed, limit: int | None, storage_options: dict[str, str] | None
) -> Iterator[Candidate]:
    import polars as pl  # noqa: PLC0415

    lowered = path.lower()
    address = resolve(path)
    if not is_remote(path) and not any(character in path for character in "*?[") and not Path(path).is_file():
        raise FileNotFoundError(path)
    options = _options(storage_options)
    if lowered.endswith(".parquet"):
        frame = pl.scan_parquet(address, storage_options=options)
    elif lowered.endswith((".csv", ".csv.gz", ".tsv")):
        # All columns as text: a text that looks like a number is still a text.
        frame = pl.scan_csv(
            address, separator="\t" if lowered.endswith(".tsv") else ",", infer_schema=False, storage_options=options
        )
    else:
        raise SeedError(f"{path} has an ending that is not known. Seeds are read from: {', '.join(SUFFIXES)}.")
    names = frame.collect_schema().names()
    if column not in names:
        raise SeedError(
            f"{path} has no column '{column}'. Its columns are: {', '.join(names)}. Name the one that holds the texts."
        )
    selected = frame.select(column)
    values = (selected if limit is None else selected.head(limit)).collect().to_series()
    for number, value in enumerate(values, 1):
        yield number, value, origin


def _options(storage_options: dict[str, str] | None) -> Any:
    """What the caller gave over what the environment says: polars knows AWS_ENDPOINT_URL, boto3 the S3 variant too."""
    if storage_options is not None:
        return storage_options
    endpoint = os.environ.get("KODCODE_S3_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT_URL_S3")
    if not endpoint:
        return None
    return {"aws_endpoint_url": endpoint, "aws_allow_http": "true", "aws_virtual_hosted_style_request": "false"}


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
