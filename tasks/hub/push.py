"""A release as a dataset repository: its files go up first, unseen, then one commit shows them all.

Whoever is killed before that commit has published nothing. Going on costs little: the Hub knows files by their hash,
so what it has is not sent again, neither what the repository shows already nor what an earlier attempt left behind.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from tasks.fetching import NoRelease, ReleasedFile, released_files
from tasks.formats import FORMATS
from tasks.store import ArtifactStore

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

_BATCH = 16  # files that are fetched and sent at a time: what a push needs of the disk
_CHUNK = 1 << 20


class HubError(Exception):
    """The push cannot be made; nothing of it is visible. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """Where a release is to be seen now. `changed` and `removed` are the paths that its commit touched."""

    repo: str
    release: int
    url: str
    commit: str
    files: int
    changed: tuple[str, ...]
    removed: tuple[str, ...]


def push(
    engine: Engine,
    artifacts: ArtifactStore,
    repo: str,
    *,
    release: int | None = None,
    private: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> Pushed:
    """Publish a release, the newest where none is named, as the dataset `repo` ("ORG/NAME") in one commit.

    The repository is made where there is none. Files of the formats' folders that this release does not have are
    removed by the same commit; whatever else lies in the repository stays. The token comes from HF_TOKEN or
    `hf auth login`, the address from HF_ENDPOINT. Raises HubError, and StoreError where a file of the release is lost.
    """
    try:
        number, files = released_files(engine, release)
    except NoRelease as error:
        raise HubError(str(error)) from None
    with _told(repo):
        api = _api()
        head = _repository(api, repo, private)
        shown = {
            entry.path: entry
            for entry in api.list_repo_tree(repo, repo_type="dataset", recursive=True, revision=head)
            if hasattr(entry, "blob_id")
        }
        missing = [file for file in files if not _same(file, shown.get(file.path))]
        with tempfile.TemporaryDirectory(prefix="kodcode-push-") as folder:
            additions = _sent(api, artifacts, repo, missing, Path(folder), note)
            wanted = {file.path for file in files}
            removed = sorted(path for path in shown if path not in wanted and path.split("/")[0] in FORMATS)
            commit = api.create_commit(
                repo,
                [*additions, *_deletions(removed)],
                repo_type="dataset",
                commit_message=f"Release {number}",
                parent_commit=head,
            )
    return Pushed(
        repo=repo,
        release=number,
        url=f"{api.endpoint}/datasets/{repo}",
        commit=commit.oid,
        files=len(files),
        changed=() if commit.oid == head else tuple(sorted(file.path for file in missing)),
        removed=tuple(removed),
    )


def _api() -> HfApi:
    try:
        from huggingface_hub import HfApi, get_token  # noqa: PLC0415 (an extra; and slow to import)
        from huggingface_hub.utils.tqdm import disable_progress_bars  # noqa: PLC0415
    except ImportError as error:
        raise HubError("The Hub's client is not installed: pip install 'kodcode[hub]'.") from error
    token = get_token()
    if not token:
        raise HubError(
            "There is no token for the Hub. Set HF_TOKEN to one with the right to write "
            "(https://huggingface.co/settings/tokens), or run `hf auth login`."
        )
    disable_progress_bars()
    return HfApi(token=token, library_name="kodcode")


def _repository(api: HfApi, repo: str, private: bool) -> str:
    """Make sure that there is a repository, and return the commit that it shows."""
    if repo.count("/") != 1 or not all(repo.split("/")):
        raise HubError(f"{repo!r} names no repository. Write ORG/NAME, or USER/NAME.")
    api.create_repo(repo, repo_type="dataset", private=True if private else None, exist_ok=True)
    info = api.dataset_info(repo)
    if private and not info.private:
        raise HubError(
            f"The dataset {repo} is public, and --private was asked for. Nothing was sent. Make it private in its "
            "settings first, or name another."
        )
    if info.sha is None:
        raise HubError(f"The Hub does not say which commit {repo} is at. Try again later.")
    return info.sha


def _same(file: ReleasedFile, shown: Any) -> bool:
    """Whether the repository shows this very file. Small ones have no such hash there: the client compares them."""
    return shown is not None and shown.lfs is not None and shown.lfs.sha256 == file.sha256


def _sent(
    api: HfApi,
    artifacts: ArtifactStore,
    repo: str,
    files: Sequence[ReleasedFile],
    folder: Path,
    note: Callable[[str], None],
) -> list[CommitOperationAdd]:
    """The files as parts of a commit, large ones on the Hub already; a copy that was made for sending them is gone."""
    from huggingface_hub import CommitOperationAdd  # noqa: PLC0415

    operations: list[CommitOperationAdd] = []
    for start in range(0, len(files), _BATCH):
        copies: Mapping[str, Path] = {
            file.path: _checked(artifacts, file, folder / f"{start + place}")
            for place, file in enumerate(files[start : start + _BATCH])
        }
        batch = [CommitOperationAdd(path, local) for path, local in copies.items()]
        api.preupload_lfs_files(repo, batch, repo_type="dataset")
        # The client would leave these out of the commit and say nothing.
        ignored = [operation.path_in_repo for operation in batch if operation._should_ignore]
        if ignored:
            raise HubError(
                f"The .gitignore of {repo} keeps files of the release out: {', '.join(ignored)}. Nothing was "
                "published. Take out of it what matches them, and run the command again."
            )
        for operation in batch:
            # The client empties what it has sent; what goes with the commit itself is still needed.
            if operation.path_or_fileobj == b"" and copies[operation.path_in_repo].parent == folder:
                copies[operation.path_in_repo].unlink()
        operations += batch
        note(f"{start + len(batch)} of {len(files)} files are on the Hub or ready")
    return operations


def _checked(artifacts: ArtifactStore, file: ReleasedFile, copy: Path) -> Path:
    """The file on this machine, with the hash that the manifest names. Raises HubError where it has another."""
    local = artifacts.local_path(file.key)
    digest = hashlib.sha256()
    with artifacts.open(file.key) as source:
        if local is not None:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
        else:
            with copy.open("wb") as target:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    target.write(chunk)
    if file.sha256 is not None and digest.hexdigest() != file.sha256:
        raise HubError(f"{file.path} is not what the release's manifest says: the stored file was changed.")
    return local or copy


def _deletions(paths: Sequence[str]) -> list[CommitOperationDelete]:
    from huggingface_hub import CommitOperationDelete  # noqa: PLC0415

    return [CommitOperationDelete(path) for path in paths]


@contextmanager
def _told(repo: str) -> Iterator[None]:
    """Turns what the client raises into HubError, without what it was asked with."""
    try:
        from httpx2 import HTTPError  # noqa: PLC0415
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError  # noqa: PLC0415
    except ImportError:
        yield  # _api says it
        return
    try:
        yield
    except HfHubHTTPError as error:
        raise HubError(_refused(repo, error.response.status_code, error.server_message)) from error
    except HFValidationError as error:
        raise HubError(f"{repo!r} names no repository: {error}") from error
    except (HTTPError, RuntimeError) as error:  # the latter where a file does not get through
        cause = error.__cause__ or error
        raise HubError(
            f"The Hub cannot be reached, or broke off ({type(cause).__name__}: {cause}). Nothing was published: run "
            "command again later."
        ) from error
    except ValueError as error:  # metadata of README.md that the Hub does not take
        raise HubError(f"The Hub does not take the release: {error}") from error


def _refused(repo: str, status: int, said: str | None) -> str:
    advice = {
        401: "the token is not valid, or may not see it: check HF_TOKEN, or run `hf auth login`",
        403: "the token may not write there: it needs the right to write in that namespace",
        404: "there is no such place, or the token may not see it",
        409: "it was changed at the same time: run the command again",
        412: "it was changed at the same time: run the command again",
    }.get(status, "what was sent is kept there: run the command again later")
    told = f" ({said.strip()})" if said else ""
    return f"The Hub refuses the push to {repo} with status {status}{told}: {advice}. Nothing was published."
