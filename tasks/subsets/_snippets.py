"""Seeds from Python source: every function and class of a file, tree, package or the standard library, by `ast`."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import io
import os
import platform
import sys
import sysconfig
import textwrap
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks import syntax
from tasks.subsets.seeds import RowProblem, Seed, SeedError, SeedReport, collect

MAX_FILE_BYTES = 1_000_000
# Folders that hold no code of the project itself, or code that tests rather than does.
_SKIPPED = {"__pycache__", "site-packages", "dist-packages", "node_modules", "test", "tests", "idle_test", "testing"}

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """What is worth showing: long enough to hold an idea, short enough to be read."""

    min_lines: int = 6
    max_lines: int = 150
    max_chars: int = 6_000


@dataclass(frozen=True, slots=True)
class Snippet:
    """A definition with its decorators, without the indentation it stood under."""

    name: str  # qualified within the module
    line: int
    text: str


class UnreadableSource(Exception):
    """A file is not Python that this interpreter parses; `line` is where it stops."""

    def __init__(self, reason: str, line: int = 1) -> None:
        super().__init__(reason)
        self.line = line


def parse(content: bytes) -> tuple[ast.Module, list[str]]:
    """The syntax tree of a source file of any declared encoding, and its lines. Raises UnreadableSource."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
        return syntax.parse(text), text.split("\n")
    except SyntaxError as error:
        raise UnreadableSource(f"not valid Python: {error.msg}", error.lineno or 1) from error
    except (ValueError, LookupError) as error:  # null bytes, undecodable bytes, unknown encoding
        raise UnreadableSource(f"not readable as Python: {error}") from error
    except (RecursionError, MemoryError) as error:
        raise UnreadableSource("nested too deeply to parse") from error


def snippets(content: bytes, limits: SizeLimits | None = None) -> list[Snippet]:
    """Functions and classes of a source file within the limits; of a class too large, its methods.

    Raises UnreadableSource.
    """
    tree, lines = parse(content)
    return list(_walk(tree.body, "", lines, limits or SizeLimits()))


def definitions(content: bytes) -> dict[str, Snippet]:
    """Every function, class and method of a source file by its qualified name, whatever its size.

    Raises UnreadableSource.
    """
    tree, lines = parse(content)

    def walk(body: list[ast.stmt], prefix: str) -> Iterator[Snippet]:
        for node in _definitions_in(body):
            snippet = _cut(node, prefix, lines)
            yield snippet
            if isinstance(node, ast.ClassDef):
                yield from walk(node.body, f"{snippet.name}.")

    found: dict[str, Snippet] = {}
    for snippet in walk(tree.body, ""):
        found.setdefault(snippet.name, snippet)  # of alternatives the first, the usual one
    return found


def _walk(body: list[ast.stmt], prefix: str, lines: list[str], limits: SizeLimits) -> Iterator[Snippet]:
    for node in _definitions_in(body):
        snippet = _cut(node, prefix, lines)
        height = snippet.text.count("\n") + 1
        if height > limits.max_lines or len(snippet.text) > limits.max_chars:
            if isinstance(node, ast.ClassDef):
                yield from _walk(node.body, f"{snippet.name}.", lines, limits)
        elif height >= limits.min_lines:
            yield snippet


def _definitions_in(body: list[ast.stmt]) -> Iterator[_Definition]:
    """The definitions of a body, also those that depend on the platform or on an optional import."""
    for node in body:
        if isinstance(node, _Definition):
            yield node
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _definitions_in(node.body)
            if isinstance(node, ast.If | ast.Try):
                yield from _definitions_in(node.orelse)
            if isinstance(node, ast.Try):
                for handler in node.handlers:
                    yield from _definitions_in(handler.body)


def _cut(node: _Definition, prefix: str, lines: list[str]) -> Snippet:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    text = textwrap.dedent("\n".join(lines[first - 1 : node.end_lineno])).strip("\n")
    return Snippet(f"{prefix}{node.name}", first, text)


def source_files(root: Path) -> list[Path]:
    """The Python files below `root` (or `root` itself), sorted, without tests, caches and installed packages."""
    if root.is_file():
        return [root]
    found: list[Path] = []
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in _SKIPPED and not name.startswith("."))
        found += [Path(folder, name) for name in files if name.endswith(".py") and not name.startswith("test_")]
    return sorted(found)


def load_source_tree(
    root: Path,
    *,
    source: str | None = None,
    revision: str | None = None,
    licence: str | None = None,
    limits: SizeLimits | None = None,
    only: Iterable[Path] | None = None,
) -> SeedReport:
    """Every function and class below `root`; files that do not parse are reported with the line at which they stop.

    `source` names the tree in each seed (default: its folder's name); the revision defaults to the commit of the Git
    checkout that holds it.
    """
    if not root.exists():
        raise SeedError(f"The source tree {root} does not exist.")
    limits = limits or SizeLimits()
    base = root if root.is_dir() else root.parent
    name = source or root.resolve().name
    at = revision or git_commit(root)

    def candidates() -> Iterator[tuple[int, object, Seed | None]]:
        for path in source_files(root) if only is None else only:
            place = f"{name}/{path.relative_to(base).as_posix()}"
            try:
                for snippet in snippets(read_limited(path), limits):
                    yield snippet.line, snippet.text, Seed("", f"{place}:{snippet.name}", at, licence)
            except UnreadableSource as error:
                yield error.line, RowProblem(error.line, str(error), place), None

    return collect(candidates(), name, limits.max_chars)


def read_limited(path: Path) -> bytes:
    """The bytes of a source file. Raises UnreadableSource for one that is too large or cannot be opened."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UnreadableSource(f"larger than {MAX_FILE_BYTES:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise UnreadableSource(f"cannot be read: {error.strerror}") from error


def load_package(name: str, *, licence: str | None = None, limits: SizeLimits | None = None) -> SeedReport:
    """Every function and class of an installed package or module, found without importing it."""
    root = find_package(name)
    return load_source_tree(
        root, source=name, revision=package_revision(name), licence=licence or package_licence(name), limits=limits
    )


def load_standard_library(limits: SizeLimits | None = None) -> SeedReport:
    """Every function and class of the running interpreter's standard library."""
    root = Path(sysconfig.get_path("stdlib"))
    return load_source_tree(
        root, source="Python standard library", revision=python_revision(), licence="PSF-2.0", limits=limits
    )


def find_package(name: str) -> Path:
    """Folder of a package or file of a module, by import name. Raises SeedError."""
    # find_spec imports the parents of a dotted name; a name without dots runs nothing.
    parent, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(parent)
    except (ImportError, ValueError) as error:
        raise SeedError(f"The package '{name}' cannot be found: {error}.") from error
    if spec is None:
        raise SeedError(f"The package '{name}' is not installed in {sys.prefix}. Install it, or name its folder.")
    places = list(spec.submodule_search_locations or [])
    if places:
        path = Path(places[0]).joinpath(*rest)
        if path.is_dir():
            return path
        if path.with_suffix(".py").is_file():
            return path.with_suffix(".py")
    elif not rest and spec.origin is not None:
        # Modules frozen into the interpreter have their source beside those that are not.
        frozen = Path(sysconfig.get_path("stdlib"), f"{name}.py")
        path = frozen if spec.origin == "frozen" else Path(spec.origin)
        if path.suffix == ".py" and path.is_file():
            return path
    raise SeedError(f"'{name}' has no Python source to read; it is compiled or built in.")


def package_revision(name: str) -> str | None:
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return python_revision()
    found = _distribution(top)
    return f"{found.metadata['Name']} {found.version}" if found else None


def package_licence(name: str) -> str | None:
    """What the package's metadata say: the SPDX expression where there is one."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return "PSF-2.0"
    found = _distribution(top)
    if found is None:
        return None
    stated = (found.metadata.json.get(field) for field in ("license_expression", "license"))
    # Old packages paste the whole licence text into the field.
    return next((text.strip() for text in stated if isinstance(text, str) and 0 < len(text.strip()) <= 80), None)


def _distribution(top: str) -> importlib.metadata.Distribution | None:
    names = importlib.metadata.packages_distributions().get(top)
    return importlib.metadata.distribution(names[0]) if names else None


def python_revision() -> str:
    return f"Python {platform.python_version()}"


def git_commit(path: Path) -> str | None:
    """The commit checked out around `path`, read from the files of Git, so that no hook of it can run."""
    for folder in [path.resolve(), *path.resolve().parents]:
        git = folder / ".git"
        if not git.is_dir():
            continue
        try:
            head = (git / "HEAD").read_text("utf-8").strip()
            if not head.startswith("ref: "):
                return head or None
            reference = head.removeprefix("ref: ")
            loose = git / reference
            if loose.is_file():
                return loose.read_text("utf-8").strip() or None
            packed = (git / "packed-refs").read_text("utf-8").splitlines()
            return next((line.split()[0] for line in packed if line.endswith(f" {reference}")), None)
        except (OSError, UnicodeDecodeError):
            return None
    return None
