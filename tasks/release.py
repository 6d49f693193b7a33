"""Stage 5: an immutable, numbered dataset, put together from shards that the next release shares.

It is drawn up in one snapshot of the database without any lock, proven, and its new shards put into the store under
the hashes of their content, each as soon as it is made where no format has a proof. Only then the lock of releases is
taken, for as long as it takes to give it a number: files that carry the number, the manifest, and last the row that
makes it a release. Whoever is killed before leaves objects that no release names, which the next attempt takes as they
are.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Connection, select, text, update
from sqlalchemy.dialects.postgresql import insert

from tasks.card import dataset_card, piece_facts
from tasks.filters import ReleaseFilters
from tasks.formats import MANIFEST_FILE, FileEntry, Format, Manifest, ReleaseExists, chosen_formats, kodcode_v1
from tasks.formats.proof import SAMPLE, prove
from tasks.licences import TermsTable, resulting_licence
from tasks.loading import Lens
from tasks.pieces import Piece
from tasks.rendering import (
    SHARDS_FOLDER,
    RenderedShard,
    key_of,
    released_shards,
    rendering,
    shard_id,
    stored_shards,
)
from tasks.retries import INFRASTRUCTURE_RETRIES
from tasks.run import Run, current_run, policy_of
from tasks.selection import Selection, choose
from tasks.store import ArtifactStore, copy_rows
from tasks.store.schema import Release, ReleasePart, ReleaseShard
from tasks.version import code_version

# Files beside the formats' folders, such as a README.md: what they say follows from the shards, and they are written
# when the release's number is known: path in the release -> content. The same rows have to give the same files.
Beside = Callable[[Manifest, Sequence[RenderedShard]], Callable[[int], Mapping[str, bytes]]]
BESIDE: tuple[Beside, ...] = (dataset_card,)

_UPLOADS = 8  # at once
_LOCK = "hashtext('kodcode release')"
_MEMBERS = """
insert into kodcode.release_shard_rows (shard_id, format, split, triplet_ids)
values (:shard_id, :format, :split, string_to_array(:triplet_ids, ' ')) on conflict do nothing
"""


@dataclass(frozen=True, slots=True)
class Released:
    """A release; `path` is the folder of its KodCode-V1 files, or, where the store is no folder of this machine, the
    address of its manifest; `rows` what KodCode-V1 holds, all splits together."""

    number: int
    path: str
    rows: int
    new: bool


@dataclass(frozen=True, slots=True)
class _Draft:
    """A release without a number: its shards in their order, and `manifest` without the files that carry a number."""

    manifest: Manifest
    shards: tuple[RenderedShard, ...]
    beside: tuple[Callable[[int], Mapping[str, bytes]], ...]
    tried: frozenset[str] = frozenset()  # shards that were proven now, to their last row


@task(name="release", cache_policy=NO_CACHE, **INFRASTRUCTURE_RETRIES)
async def make_release(
    subsets: Sequence[str],
    canned: bool,
    filters: ReleaseFilters,
    formats: Sequence[str] = (),
    prove_all: bool = False,
    number: int | None = None,
) -> Released:
    """Release what is verified now and passes `filters`; the newest release itself where its content is the same.

    `formats` are in it beside KodCode-V1. A sample of each format's new rows, or all rows that were not proven yet, is
    proven before anything is published. `number` is what it has to be called, if given. Raises ProofFailed where rows
    do not do what their format promises, EmptySelection, UnknownFormat and ReleaseExists.
    """
    chosen = chosen_formats(formats)
    return await asyncio.to_thread(
        _make_release, current_run(), subsets, canned, filters, chosen, prove_all, number
    )


def _make_release(
    run: Run,
    subsets: Sequence[str],
    canned: bool,
    filters: ReleaseFilters,
    formats: Sequence[Format],
    prove_all: bool,
    number: int | None = None,
) -> Released:
    terms = TermsTable.load(run.settings.model_terms)
    with tempfile.TemporaryDirectory(prefix="kodcode-release-") as name:
        folder = Path(name)
        draft = _draw_up(run, folder, subsets, canned, filters, formats, terms)
        draft = _proven(run, folder, draft, formats, prove_all)
        _upload(run.backends.artifacts, folder, draft)
        return _publish(run, draft, formats, number)


def _draw_up(
    run: Run,
    folder: Path,
    subsets: Sequence[str],
    canned: bool,
    filters: ReleaseFilters,
    formats: Sequence[Format],
    terms: TermsTable,
) -> _Draft:
    """Select, take the shards that are there, write the others to `folder`; a release is one snapshot."""
    store = run.backends.artifacts
    with run.engine.begin() as connection:
        connection.execute(text("set transaction isolation level repeatable read"))
        asked = {"subsets": list(subsets), "canned": canned, **filters.asked()}
        shows = tuple(format.shows for format in formats if format.shows is not None)
        texts = filters.licence_policy != "permissive"
        lens = Lens(terms, filters.max_response_tokens, shows=shows, benchmark_texts=texts)
        made: dict[str, RenderedShard] = {}

        def known() -> list[Piece]:
            """Of the last release that was asked for the same, where nothing else decides about a row."""
            if filters.by_question:
                made.update(_whole(store, released_shards(connection, asked, formats, lens)))
            return [shard.piece for shard in made.values()]

        selection = choose(run.engine, connection, subsets, canned, filters, terms, known)
        lens = replace(lens, minded=selection.minded)
        wanted = {shard_id(piece, formats, lens): piece for piece in selection.pieces}
        others = {identity: piece for identity, piece in wanted.items() if identity not in made}
        made |= _whole(store, stored_shards(connection, others))
        missing = {identity: piece for identity, piece in wanted.items() if identity not in made}

        def upload(shard: RenderedShard) -> None:
            """At once where nothing has to be proven first."""
            if not any(format.proof is not None for format in formats):
                for entry in shard.files:
                    _put(store, folder, entry)

        with rendering(run.engine, connection, store, folder, formats, missing, lens, upload) as rendered:
            beside = piece_facts(connection, list(missing.values()))
            made |= {
                identity: replace(shard, facts={**shard.facts, **beside[shard.piece]})
                for identity, shard in rendered().items()
            }
        shards = [made[identity] for identity in wanted]
        manifest = _manifest(folder, shards, formats, asked, selection, terms)
        return _Draft(manifest, tuple(shards), tuple(measure(manifest, shards) for measure in BESIDE))


def _whole(store: ArtifactStore, made: dict[str, RenderedShard]) -> dict[str, RenderedShard]:
    """Those of the shards whose files the store has: it may be another than theirs, or have lost some."""
    there = set(store.list(f"{SHARDS_FOLDER}/")) if made else set()
    return {identity: shard for identity, shard in made.items() if all(entry.key in there for entry in shard.files)}


def _manifest(
    folder: Path,
    shards: Sequence[RenderedShard],
    formats: Sequence[Format],
    asked: Mapping[str, Any],
    selection: Selection,
    terms: TermsTable,
) -> Manifest:
    files = [entry for shard in shards for entry in shard.files]
    for format in formats:
        filled = {entry.split for entry in files if entry.format == format.name}
        with format.writer(folder, "none", splits=[split for split in format.splits if split not in filled]) as empty:
            pass
        files += [replace(entry, key=key_of(entry)) for entry in empty.files]
    prompts: dict[str, set[str]] = {}
    for shard in shards:
        for stage, versions in shard.prompts.items():
            prompts.setdefault(stage, set()).update(versions)
    return Manifest(
        formats={format.name: format.version for format in formats},
        files=tuple(files),
        filters=asked,
        code_version=code_version(),
        prompt_versions={stage: ", ".join(sorted(versions)) for stage, versions in sorted(prompts.items())},
        left_out=selection.left_out,
        licence=asdict(resulting_licence((origin for shard in shards for origin in shard.origins), terms)),
    )


def _proven(run: Run, folder: Path, draft: _Draft, formats: Sequence[Format], prove_all: bool) -> _Draft:
    """The draft after the proof of a sample of its new shards' rows, or of all shards that are not wholly proven."""
    provable = {format.name for format in formats if format.proof is not None}

    def open_ended(shard: RenderedShard) -> bool:
        rows = Counter[str]()
        for entry in shard.files:
            rows[entry.format] += entry.rows
        return any(shard.proven.get(name, 0) < rows[name] for name in provable & rows.keys())

    tried = [shard for shard in draft.shards if (open_ended(shard) if prove_all else shard.new)]
    for shard in tried:
        for entry in shard.files:
            if not shard.new and entry.format in {*provable, kodcode_v1.NAME}:
                (folder / entry.path).parent.mkdir(parents=True, exist_ok=True)
                with run.backends.artifacts.open(entry.key) as source, (folder / entry.path).open("wb") as copy:
                    shutil.copyfileobj(source, copy)
    # As the proof takes them: a split after the other, so that rows and their references keep pace.
    order = {(format.name, split): place for format in formats for place, split in enumerate(format.splits)}
    files = sorted(
        (entry for shard in tried for entry in shard.files), key=lambda entry: order[entry.format, entry.split]
    )
    held = prove(folder, formats, files, None if prove_all else SAMPLE, policy_of(run.settings))
    by_id = {shard.shard_id: _counted(shard, held) for shard in tried}
    shards = tuple(by_id.get(shard.shard_id, shard) for shard in draft.shards)
    total: Counter[str] = Counter()
    for shard in shards:
        total.update(shard.proven)
    proven = {name: total[name] for name in sorted(provable)}
    wholly = frozenset(by_id) if prove_all else frozenset[str]()
    return replace(draft, shards=shards, manifest=replace(draft.manifest, proven=proven), tried=wholly)


def _counted(shard: RenderedShard, held: Mapping[str, int]) -> RenderedShard:
    counts: Counter[str] = Counter()
    for entry in shard.files:
        counts[entry.format] += held.get(entry.path, 0)
    return replace(shard, proven={name: rows for name, rows in sorted(counts.items()) if rows})


def _upload(store: ArtifactStore, folder: Path, draft: _Draft) -> None:
    """Put the new files under the hashes of their content."""
    taken = {entry.path for shard in draft.shards if not shard.new for entry in shard.files}
    new = [entry for entry in draft.manifest.files if entry.path not in taken]
    with ThreadPoolExecutor(_UPLOADS) as threads:
        for _ in threads.map(partial(_put, store, folder), new):
            pass


def _put(store: ArtifactStore, folder: Path, entry: FileEntry) -> None:
    """What is there already, this or an earlier attempt may have put."""
    if not store.exists(entry.key):
        store.put_file(folder / entry.path, entry.key)


def _publish(run: Run, draft: _Draft, formats: Sequence[Format], wanted: int | None) -> Released:
    """Give the draft its number, or find that the newest release is the same."""
    store = run.backends.artifacts
    with run.engine.begin() as connection:
        if not connection.scalar(text(f"select pg_try_advisory_xact_lock({_LOCK})")):
            run.progress.say("Another release is being published; this one waits for it.")
            connection.execute(text(f"select pg_advisory_xact_lock({_LOCK})"))
        newest = connection.execute(
            select(Release.__table__).order_by(Release.release_id.desc()).limit(1)
        ).one_or_none()
        if newest is not None and _same_dataset(newest.manifest, _named(draft, newest.release_id, formats)[0]):
            if wanted not in (None, newest.release_id):
                raise ReleaseExists(
                    f"Nothing is new: this is release {newest.release_id}, so that none gets the number {wanted}."
                )
            _store_shards(connection, draft)
            return Released(newest.release_id, newest.path, newest.rows, new=False)
        last = 0 if newest is None else newest.release_id
        draft = replace(draft, manifest=replace(draft.manifest, parent=last or None))
        number, manifest, files = _free_number(store, draft, formats, last, wanted)
        prefix = _prefix(number)
        for path, content in files.items():
            store.put_bytes(content, f"{prefix}/{path}")
        for entry in manifest.files:
            store.link(entry.key, f"{prefix}/{entry.path}")
        store.put_bytes(manifest.document(), f"{prefix}/{MANIFEST_FILE}")
        local = store.local_path(f"{prefix}/{kodcode_v1.NAME}")
        path = str(local) if local is not None else store.url(f"{prefix}/{MANIFEST_FILE}")
        rows = manifest.rows(kodcode_v1.NAME)
        connection.execute(
            insert(Release).values(
                release_id=number,
                content_hash=manifest.content_hash,
                path=path,
                rows=rows,
                run_id=run.run_id,
                parent_id=manifest.parent,
                manifest=manifest.as_dict(),
            )
        )
        _store_shards(connection, draft)
        members = [{"release_id": number, "shard_id": shard.shard_id} for shard in draft.shards]
        copy_rows(connection, ReleasePart, members)
        return Released(number, path, rows, new=True)


def _prefix(number: int) -> str:
    return f"releases/{number:06d}"


def _named(draft: _Draft, number: int, formats: Sequence[Format]) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest of release `number`, and the files that are not rows."""
    contents: dict[str, tuple[str, bytes]] = {}
    for format in formats:
        if format.companions is not None:
            entries = [entry for entry in draft.manifest.files if entry.format == format.name]
            for name, content in format.companions(number, entries).items():
                contents[f"{format.name}/{name}"] = (format.name, content)
    for write in draft.beside:
        for path, content in write(number).items():
            if path in contents:
                raise ValueError(f"{path} has two writers")
            contents[path] = ("", content)
    added = [
        FileEntry(
            path, owner, "", 0, len(content), hashlib.sha256(content).hexdigest(), f"{_prefix(number)}/{path}"
        )
        for path, (owner, content) in contents.items()
    ]
    manifest = replace(draft.manifest, files=(*draft.manifest.files, *added))
    return manifest, {path: content for path, (_, content) in contents.items()}


def _free_number(
    store: ArtifactStore, draft: _Draft, formats: Sequence[Format], last: int, wanted: int | None
) -> tuple[int, Manifest, dict[str, bytes]]:
    """The next number under which the store holds nothing but, perhaps, what an attempt at this same release left.

    Numbers of releases that another database made, or that were begun with other content and not ended, are left out.
    """
    if wanted is not None and wanted <= last:
        raise ReleaseExists(f"The number {wanted} is taken: the newest release is {last}. Name a higher one, or none.")
    number = wanted or last + 1
    while True:
        manifest, files = _named(draft, number, formats)
        foreign = _foreign(store, number, manifest)
        if foreign is None:
            return number, manifest, files
        if wanted is not None:
            raise ReleaseExists(
                f"{store.url(foreign)} is there already, and no release of this database. Name another number, or "
                "another place in KODCODE_ARTIFACTS_URL."
            )
        number += 1


def _foreign(store: ArtifactStore, number: int, manifest: Manifest) -> str | None:
    """A file under this number that the release would not have put there; None where there is none."""
    there = list(store.list(f"{_prefix(number)}/"))
    if not there:
        return None
    ours = {f"{_prefix(number)}/{entry.path}": entry.sha256 for entry in manifest.files}
    ours[f"{_prefix(number)}/{MANIFEST_FILE}"] = hashlib.sha256(manifest.document()).hexdigest()
    return next((key for key in there if key not in ours or store.file_problem(key, ours[key]) is not None), None)


def _same_dataset(released: Mapping[str, Any], manifest: Manifest) -> bool:
    """Whether both hold the same files chosen in the same way, whichever version of the code wrote them."""

    def essence(data: Mapping[str, Any]) -> list[Any]:
        files = sorted((entry["path"], entry["sha256"]) for entry in data["files"])
        return [files, *(data[name] for name in ("formats", "filters", "prompt_versions"))]

    return essence(released) == essence(manifest.as_dict())


def _store_shards(connection: Connection, draft: _Draft) -> None:
    """New shards, and what was proven just now of others: what was remembered of them may have grown since."""
    new = [shard for shard in draft.shards if shard.new]
    copy_rows(connection, ReleaseShard, [shard.row() for shard in new])
    members = [
        # Ids as one text, which costs a thousandth of a list that the client has to spell.
        {"shard_id": shard.shard_id, "format": format, "split": split, "triplet_ids": " ".join(ids)}
        for shard in new
        for (format, split), ids in shard.members.items()
    ]
    if members:
        connection.execute(text(_MEMBERS), members)
    for shard in draft.shards:
        if shard.shard_id in draft.tried:
            connection.execute(
                update(ReleaseShard)
                .where(ReleaseShard.shard_id == shard.shard_id, ReleaseShard.proven != shard.proven)
                .values(proven=shard.proven)
            )
