"""Stage 5: an immutable, numbered dataset. Files first, manifest second, the row that makes it a release last."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import ColumnElement, Connection, Engine, func, literal, select, text
from sqlalchemy.dialects.postgresql import insert

from tasks.formats import MANIFEST_FILE, DatasetWriter, Manifest, kodcode_v1, sft, sft_row, v1_row
from tasks.options import ReleaseFilters
from tasks.run import Run, code_version, current_run
from tasks.selection import releasable, select_triplets
from tasks.store import copy_rows
from tasks.store.schema import Question, Release, ReleaseItem, Trial, Triplet

LAYOUTS = (kodcode_v1, sft)


@dataclass(frozen=True, slots=True)
class Released:
    """A release; `path` is the folder of its KodCode-V1 files, `rows` what they hold, all splits together."""

    number: int
    path: str
    rows: int
    new: bool


@task(name="release", cache_policy=NO_CACHE)
async def make_release(subsets: Sequence[str], canned: bool, filters: ReleaseFilters) -> Released:
    """Release what is verified now and passes `filters`; the newest release itself where its content is the same."""
    return await asyncio.to_thread(_make_release, current_run(), subsets, canned, filters)


def _make_release(run: Run, subsets: Sequence[str], canned: bool, filters: ReleaseFilters) -> Released:
    with (
        tempfile.TemporaryDirectory(prefix="kodcode-release-") as name,
        _one_at_a_time(run.engine),
        run.engine.begin() as connection,
    ):
        connection.execute(text("set transaction isolation level repeatable read"))  # a release is one snapshot
        folder = Path(name)
        manifest, items = _write(run, connection, folder, subsets, canned, filters)
        newest = connection.execute(
            select(Release.__table__).order_by(Release.release_id.desc()).limit(1)
        ).one_or_none()
        if newest is not None and _same_dataset(newest.manifest, manifest):
            return Released(newest.release_id, newest.path, newest.rows, new=False)
        number = 1 if newest is None else newest.release_id + 1
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
        copy_rows(connection, ReleaseItem, [item | {"release_id": number} for item in items])
        return Released(number, path, rows, new=True)


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
    run: Run, connection: Connection, folder: Path, subsets: Sequence[str], canned: bool, filters: ReleaseFilters
) -> tuple[Manifest, list[dict[str, Any]]]:
    items = []
    with ExitStack() as stack:
        v1, chat = (
            stack.enter_context(
                DatasetWriter(
                    folder / layout.NAME,
                    format=layout.NAME,
                    version=layout.VERSION,
                    schema=layout.schema(),
                    splits=layout.SPLITS,
                    prefix=layout.NAME,
                )
            )
            for layout in LAYOUTS
        )
        for selected in select_triplets(connection, run.backends.artifacts, subsets, canned, filters):
            formatted = v1_row(selected.record)
            v1.add(formatted.split, formatted.columns)
            items.append(_item(kodcode_v1.NAME, selected.record.triplet_id, formatted.split))
            conversation = sft_row(selected.record, selected.responses)
            if conversation is not None:
                chat.add(conversation.split, conversation.columns)
                items.append(_item(sft.NAME, selected.record.triplet_id, conversation.split))
    return Manifest(
        formats={layout.NAME: layout.VERSION for layout in LAYOUTS},
        files=(*v1.files, *chat.files),
        filters={"subsets": subsets, "canned": canned, **filters.asked()},
        code_version=code_version(),
        prompt_versions=_prompt_versions(connection, releasable(subsets, canned, filters)),
    ), items


def _item(layout: str, triplet_id: str, split: str) -> dict[str, Any]:
    return {"format": layout, "triplet_id": triplet_id, "split": split}


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
