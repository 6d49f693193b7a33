"""The declarative list of seed sources, `seeds.toml`: which subset draws from what, and under which terms.

    [[source]]
    name = "our-docs"
    subsets = ["Docs"]
    git = "https://example.org/our.git"   # or: path = "file, folder, s3://, hf:// or import name"
    folder = "docs"                       # within the checkout
    revision = "v2.1"                     # tag, branch or commit; what was checked out is noted with each seed
    licence = "BSD-3-Clause"              # SPDX expression, or LicenseRef-...
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tasks.subsets.registry import Subset, get_subset
from tasks.subsets.seeds import SeedError, SeedReport, merge, require_seeds
from tasks.subsets.sources import Kind, SeedSource, load_source

SHIPPED = Path(__file__).parent / "builtin" / "seeds.toml"
_SPDX = re.compile(
    r"\(*(?:[A-Za-z0-9.+-]+|LicenseRef-[A-Za-z0-9.-]+)\)*(?: (?:AND|OR|WITH) \(*[A-Za-z0-9.+-]+\)*)*\Z"
)
_GIT_TIMEOUT_S = 1_800


class Source(BaseModel):
    """One entry of seeds.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    subsets: tuple[str, ...] = Field(min_length=1)
    path: str | None = None
    git: str | None = None
    folder: str = "."
    kind: Kind = "auto"
    column: str = "text"
    revision: str | None = None
    licence: str
    limit: int | None = Field(None, ge=1)

    @field_validator("subsets")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(get_subset(name).name for name in value)

    @field_validator("licence")
    @classmethod
    def _spdx(cls, value: str) -> str:
        if not _SPDX.match(value):
            raise ValueError("write an SPDX expression such as MIT or Apache-2.0, or LicenseRef-NAME")
        return value

    @model_validator(mode="after")
    def _one_place(self) -> Source:
        if (self.path is None) == (self.git is None):
            raise ValueError("name exactly one of path and git")
        if Path(self.folder).is_absolute() or ".." in Path(self.folder).parts:
            raise ValueError("folder lies inside the checkout")
        if self.git is not None and self.git.startswith("-"):
            raise ValueError("git is the address of a repository")
        if self.revision is not None and not re.match(r"[\w][\w./-]*\Z", self.revision):
            raise ValueError("revision is a tag, a branch or a commit")
        return self


def declared_sources(path: Path) -> tuple[Source, ...]:
    """The entries of a seeds.toml. Raises SeedError, which names the entry and what is wrong."""
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SeedError(f"The list of seed sources {path} cannot be read: {error}.") from error
    entries = content.get("source")
    if not isinstance(entries, list) or set(content) != {"source"} or not entries:
        raise SeedError(f"{path} must hold [[source]] tables and nothing else.")
    return tuple(_source(path, number, entry) for number, entry in enumerate(entries, 1))


def _source(path: Path, number: int, entry: Any) -> Source:
    try:
        return Source.model_validate(entry)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'entry'}: {problem['msg']}" for problem in error.errors()
        )
        raise SeedError(f"{path}, source {number}: {problems}.") from error


def load_declared(spec: Subset, file: str | Path) -> SeedReport:
    """The seeds of a subset from every source that the file names for it, each text once.

    Raises SeedError, NoSeeds.
    """
    if spec.seed_kind is None:
        return SeedReport(())
    path = Path(file).expanduser()
    wanted = [source for source in declared_sources(path) if spec.name in source.subsets]
    if not wanted:
        raise SeedError(f"{path} names no source for {spec.name}. Add one, or leave out --seeds for built-in seeds.")
    return require_seeds(merge(_load(spec, source) for source in wanted), f"For {spec.name}, {path}")


def _load(spec: Subset, source: Source) -> SeedReport:
    if source.git is not None:
        with _checkout(source.git, source.revision) as (root, commit):
            folder = root / source.folder
            if not folder.is_dir() or not folder.resolve().is_relative_to(root.resolve()):
                raise SeedError(f"The repository {source.git} has no folder {source.folder} at {commit}.")
            place = SeedSource(
                str(folder), source.kind, source.column, commit, source.licence, source.limit, source.name
            )
            return load_source(spec, place)
    assert source.path is not None
    return load_source(
        spec,
        SeedSource(source.path, source.kind, source.column, source.revision, source.licence, source.limit),
    )


@contextmanager
def _checkout(address: str, revision: str | None) -> Iterator[tuple[Path, str]]:
    """A shallow clone of a repository in a folder of its own, and its commit. Raises SeedError."""
    with tempfile.TemporaryDirectory(prefix="kodcode-seeds-") as folder:
        root = Path(folder, "checkout")
        _git("init", "--quiet", str(root), of=address)
        _git("-C", str(root), "fetch", "--quiet", "--depth", "1", "--", address, revision or "HEAD", of=address)
        _git("-C", str(root), "checkout", "--quiet", "FETCH_HEAD", of=address)
        yield root, _git("-C", str(root), "rev-parse", "HEAD", of=address).strip()


def _git(*arguments: str, of: str) -> str:
    try:
        done = subprocess.run(
            # Nothing that a repository or the user's configuration names is run, and no password is asked for.
            ["git", "-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never", *arguments],
            capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL,
            env=_environment(),
        )  # fmt: skip
    except FileNotFoundError as error:
        raise SeedError(f"The seeds in {of} need git, which is not installed here.") from error
    except subprocess.TimeoutExpired as error:
        raise SeedError(f"The repository {of} did not arrive within {_GIT_TIMEOUT_S} s.") from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SeedError(f"The repository {of} cannot be read: {said}")
    return done.stdout


def _environment() -> dict[str, str]:
    return {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1"}
