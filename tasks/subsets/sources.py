"""Where the seeds of a subset come from: one path or name, and the loader that fits it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.subsets._builtin import builtin_seeds
from tasks.subsets._pages import load_docs_folder, load_docstrings
from tasks.subsets._snippets import load_package, load_source_tree, load_standard_library
from tasks.subsets._tables import SUFFIXES, is_remote, is_table, load_table
from tasks.subsets.registry import Subset
from tasks.subsets.seeds import SeedError, SeedReport, merge, require_seeds

Kind = Literal["auto", "table", "source", "package", "standard-library", "docs", "docstrings", "builtin"]

_IMPORT_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\Z")
_DOCUMENTS = (".rst", ".md", ".ipynb")


@dataclass(frozen=True, slots=True)
class SeedSource:
    """One source. `path` is a file, folder, s3:// or hf:// address, import name, "builtin" or "standard-library".

    With kind "auto" the path decides: tables by their ending, .rst/.md/.ipynb as documents; a folder or an import name
    is read as the subset needs it, code for snippets and documentation for pages. `limit` bounds the rows of a table.
    """

    path: str
    kind: Kind = "auto"
    column: str = "text"
    revision: str | None = None
    licence: str | None = None
    limit: int | None = None
    name: str | None = None  # of a tree or folder, where its path says nothing (default: the folder's name)


def load_seeds(spec: Subset, *sources: str | SeedSource) -> SeedReport:
    """The seeds of a subset from all `sources` (without any: the built-in ones), each text once.

    A subset that uses no seeds gets an empty report. Raises NoSeeds if not one text is usable, SeedError if a source
    cannot be read at all.
    """
    if spec.seed_kind is None:
        return SeedReport(())
    given = [SeedSource(source) if isinstance(source, str) else source for source in sources or ("builtin",)]
    report = merge(load_source(spec, source) for source in given)
    return require_seeds(report, f"For {spec.name}, {', '.join(source.path for source in given)}")


def load_source(spec: Subset, source: SeedSource) -> SeedReport:
    """The seeds of one source as the subset needs them: rows, snippets or pages. Raises SeedError."""
    kind = source.kind if source.kind != "auto" else _kind(spec, source.path)
    path = Path(source.path).expanduser()
    match kind:
        case "builtin":
            report = builtin_seeds(spec)
        case "table":
            report = load_table(
                source.path if is_remote(source.path) else str(path),
                source.column,
                revision=source.revision,
                licence=source.licence,
                limit=source.limit,
            )
        case "source":
            report = load_source_tree(path, source=source.name, revision=source.revision, licence=source.licence)
        case "package":
            report = load_package(source.path, licence=source.licence)
        case "standard-library":
            report = load_standard_library()
        case "docs":
            report = load_docs_folder(path, source=source.name, revision=source.revision, licence=source.licence)
        case "docstrings":
            report = load_docstrings(source.path, licence=source.licence)
        case _:
            raise SeedError(f"'{kind}' is no kind of seed source.")
    return report


def _kind(spec: Subset, path: str) -> Kind:
    if path in ("builtin", "standard-library"):
        return "builtin" if path == "builtin" else "standard-library"
    if is_table(path):
        return "table"
    local = Path(path).expanduser()
    if not is_remote(path) and local.exists():
        if local.is_dir():
            return "docs" if spec.seed_kind == "page" else "source"
        if local.suffix.lower() in _DOCUMENTS:
            return "docs"
        if local.suffix == ".py":
            return "source"
    elif _IMPORT_NAME.match(path) and spec.seed_kind in ("snippet", "page"):
        return "docstrings" if spec.seed_kind == "page" else "package"
    raise SeedError(
        f"The seeds '{path}' are not known: no such file or folder, and no table ({', '.join(SUFFIXES)}). "
        "Name a file, a folder, an s3:// or hf:// address, 'builtin', or for snippets "
        "and pages the import name of a package."
    )
