"""Stage 5: an immutable, numbered dataset. Files first, manifest second, the row that makes it a release last."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import ColumnElement, Connection, Engine, func, literal, select, text
from sqlalchemy.dialects.postgresql import insert

from tasks.formats import MANIFEST_FILE, FileEntry, Format, Manifest, chosen_formats, kodcode_v1
from tasks.formats.proof import SAMPLE, prove
from tasks.options import ReleaseFilters
from tasks.retries import INFRASTRUCTURE_RETRIES
from tasks.run import Run, current_run
from tasks.selection import releasable, select_triplets
from tasks.store import copy_rows
from tasks.store.schema import Question, Release, ReleaseItem, Trial, Triplet
from tasks.version import code_version
from tasks.work import shards

Item = tuple[str, str, str]  # format, triplet, split: all that grows with the rows, so it is small
_ITEMS = 20_000  # stored at a time


@dataclass(frozen=True, slots=True)
class Released:
    """A release; `path` is the folder of its KodCode-V1 files, `rows` what they hold, all splits together."""

    number: int
    path: str
    rows: int
    new: bool


@task(name="release", cache_policy=NO_CACHE, **INFRASTRUCTURE_RETRIES)
async def make_release(
    subsets: Sequence[str], canned: bool, filters: ReleaseFilters, formats: Sequence[str] = (), prove_all: bool = False
) -> Released:
    """Release what is verified now and passes `filters`; the newest release itself where its content is the same.

    `formats` are in it beside KodCode-V1. A sample of each format's rows, or all, is proven before anything is
    published; raises ProofFailed where rows do not do what their format promises, and UnknownFormat.
    """
    chosen = chosen_formats(formats)
    return await asyncio.to_thread(_make_release, current_run(), subsets, canned, filters, chosen, prove_all)


def _make_release(
    run: Run,
    subsets: Sequence[str],
    canned: bool,
    filters: ReleaseFilters,
    formats: Sequence[Format],
    prove_all: bool,
) -> Released:
    with (
        tempfile.TemporaryDirectory(prefix="kodcode-release-") as name,
        _one_at_a_time(run.engine),
        run.engine.begin() as connection,
    ):
        connection.execute(text("set transaction isolation level repeatable read"))  # a release is one snapshot
        folder = Path(name)
        manifest, items = _write(run, connection, folder, subsets, canned, filters, formats)
        newest = connection.execute(
            select(Release.__table__).order_by(Release.release_id.desc()).limit(1)
        ).one_or_none()
        if newest is not None:
            # Some files name their release, so the same dataset is the one that has the newest's files if named so.
            named = _with_companions(folder, manifest, newest.release_id, formats)
            if _same_dataset(newest.manifest, named):
                return Released(newest.release_id, newest.path, newest.rows, new=False)
        prove(folder, formats, manifest.files, None if prove_all else SAMPLE)
        number = 1 if newest is None else newest.release_id + 1
        manifest = _with_companions(folder, manifest, number, formats)
        prefix = f"releases/{number:06d}"
        store = run.backends.artifacts
        stored = [
            asdict(entry) | {"key": store.put_file(folder / entry.path, f"{prefix}/{entry.path}").key}
            for entry in manifest.files
        ]
        store.put_bytes(manifest.document(), f"{prefix}/{MANIFEST_FILE}")
        local = store.local_path(f"{prefix}/{kodcode_v1.NAME}")
        path = str(local) if local is not None else store.url(f"{prefix}/{kodcode_v1.NAME}")
        rows = manifest.rows(kodcode_v1.NAME)
        connection.execute(
            insert(Release).values(
                release_id=number,
                content_hash=manifest.content_hash,
                path=path,
                rows=rows,
                run_id=run.run_id,
                parent_id=None if newest is None else newest.release_id,
                manifest=manifest.as_dict() | {"files": stored},
            )
        )
        for batch in shards(items, _ITEMS):
            copy_rows(connection, ReleaseItem, [_item(number, *item) for item in batch])
        return Released(number, path, rows, new=True)


def _with_companions(folder: Path, manifest: Manifest, number: int, formats: Sequence[Format]) -> Manifest:
    """The manifest of release `number`, with the files beside the rows, which are written to `folder`."""
    added = []
    for format in formats:
        if format.companions is None:
            continue
        files = [entry for entry in manifest.files if entry.format == format.name]
        for name, content in format.companions(number, files).items():
            path = f"{format.name}/{name}"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
            added.append(FileEntry(path, format.name, "", 0, len(content), hashlib.sha256(content).hexdigest()))
    return replace(manifest, files=(*manifest.files, *added))


def _same_dataset(released: dict[str, Any], manifest: Manifest) -> bool:
    """Whether both hold the same rows chosen in the same way, whichever version of the code wrote them."""
    mine = manifest.as_dict()
    files = [
        {name: value for name, value in entry.items() if name != "key"}
        for entry in sorted(released["files"], key=lambda entry: str(entry["path"]))
    ]
    theirs = released | {"files": files, "code_version": manifest.code_version}
    return theirs == mine


@contextmanager
def _one_at_a_time(engine: Engine) -> Iterator[None]:
    """Holds the lock of releases on a connection of its own: a snapshot has to be younger than the lock."""
    with engine.begin() as connection:
        connection.execute(text("select pg_advisory_xact_lock(hashtext('kodcode release'))"))
        yield


def _write(
    run: Run,
    connection: Connection,
    folder: Path,
    subsets: Sequence[str],
    canned: bool,
    filters: ReleaseFilters,
    formats: Sequence[Format],
) -> tuple[Manifest, list[Item]]:
    items: list[Item] = []
    with ExitStack() as stack:
        writers = [stack.enter_context(format.writer(folder)) for format in formats]
        for selected in select_triplets(connection, run.backends.artifacts, subsets, canned, filters):
            for format, writer in zip(formats, writers, strict=True):
                split = None
                for row in format.rows(selected.record, selected.responses):
                    writer.add(row.split, row.columns)
                    split = row.split
                if split is not None:
                    items.append((format.name, selected.record.triplet_id, split))
    return Manifest(
        formats={format.name: format.version for format in formats},
        files=tuple(entry for writer in writers for entry in writer.files),
        filters={"subsets": subsets, "canned": canned, **filters.asked()},
        code_version=code_version(),
        prompt_versions=_prompt_versions(connection, releasable(subsets, canned, filters)),
    ), items


def _item(number: int, layout: str, triplet_id: str, split: str) -> dict[str, Any]:
    return {"release_id": number, "format": layout, "triplet_id": triplet_id, "split": split}


def _prompt_versions(connection: Connection, chosen: ColumnElement[bool]) -> dict[str, str]:
    """Which versions of which stage's prompts the released rows were made with."""
    released = (
        select(Question.question_id)
        .join(Triplet, Triplet.question_id == Question.question_id)
        .where(chosen)
        .scalar_subquery()
    )
    versions: dict[str, set[str]] = {}
    for stage, version, question_id in (
        (func.concat("propose ", Question.subset), Question.prompt_version, Question.question_id),
        (literal("solve"), Trial.prompt_version, Trial.question_id),
        (Triplet.style, Triplet.prompt_version, Triplet.question_id),
    ):
        used = select(stage, version).where(question_id.in_(released), version.is_not(None)).distinct()
        for name, found in connection.execute(used):
            versions.setdefault(name, set()).add(str(found))
    return {stage: ", ".join(sorted(found)) for stage, found in sorted(versions.items())}
