"""Seeds from documentation: .rst, .md and .ipynb files, and the docstrings of Python modules, cut into pages."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.subsets._snippets import (
    UnreadableSource,
    find_package,
    git_commit,
    package_licence,
    package_revision,
    parse,
    read_limited,
    source_files,
)
from tasks.subsets.seeds import RowProblem, Seed, SeedError, SeedReport, collect

MIN_CHARS = 300
JOIN_CHARS = 2_500
MAX_CHARS = 6_000
_SUFFIXES = (".rst", ".md", ".ipynb")
_MARKDOWN_HEADING = re.compile(r"#{1,6} \S")
_RST_RULE = re.compile(r"([=\-~^\"'`#*+.:_])\1{2,}\s*\Z")
_FENCE = re.compile(r"\s{0,3}(```|~~~)")
_SKIPPED = {"_build", "_static", "_templates", "node_modules", "__pycache__"}


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of documentation that fits into a prompt. `line` is where it begins in its file."""

    line: int
    text: str


def cut_pages(text: str, suffix: str, min_chars: int = MIN_CHARS, max_chars: int = MAX_CHARS) -> list[Page]:
    """Cuts a document at its headings, joins what is short, splits at paragraphs what is long.

    A page keeps to a few neighbouring sections (about JOIN_CHARS), so that each has a subject. A remainder below
    `min_chars` carries no exercise and is left out.
    """
    pages: list[Page] = []
    line, held = 1, ""
    for start, section in _sections(text, suffix):
        for offset, piece in _pieces(section, max_chars):
            if held and (len(held) >= JOIN_CHARS or len(held) + len(piece) > max_chars):
                pages.append(Page(line, held))
                held = ""
            if not held:
                line = start + offset
            held += piece
    pages.append(Page(line, held))
    return [Page(page.line, page.text.strip()) for page in pages if len(page.text.strip()) >= min_chars]


def _sections(text: str, suffix: str) -> Iterator[tuple[int, str]]:
    """(first line, text) of each part that begins with a heading; what precedes the first is a part too."""
    lines = text.splitlines(keepends=True)
    begins = [0]
    fenced = False
    for number, line in enumerate(lines):
        if suffix != ".rst":
            if _FENCE.match(line):
                fenced = not fenced
            elif not fenced and _MARKDOWN_HEADING.match(line):
                begins.append(number)
        elif number and _RST_RULE.match(line) and lines[number - 1].strip() and not lines[number - 1][0].isspace():
            title = number - 1
            if len(line.rstrip()) >= len(lines[title].rstrip()):
                overlined = title and _RST_RULE.match(lines[title - 1]) and lines[title - 1].strip() == line.strip()
                begins.append(title - 1 if overlined else title)
    ordered = sorted(set(begins))
    for begin, end in zip(ordered, [*ordered[1:], len(lines)], strict=True):
        yield begin + 1, "".join(lines[begin:end])


def _pieces(section: str, max_chars: int) -> Iterator[tuple[int, str]]:
    """A section whole, or, where it is too long, runs of its paragraphs; (line within the section, text)."""
    if len(section) <= max_chars:
        yield 0, section
        return
    offset, held, begin = 0, "", 0
    for paragraph in re.split(r"(?<=\n)(?=[ \t]*\n)", section):
        for at in range(0, len(paragraph), max_chars):  # one paragraph alone may be too long
            piece = paragraph[at : at + max_chars]
            if held and len(held) + len(piece) > max_chars:
                yield begin, held
                held, begin = "", offset
            held += piece
            offset += piece.count("\n")
    if held:
        yield begin, held


def notebook_text(content: bytes) -> str:
    """The Markdown and code cells of a notebook as one Markdown text. Raises UnreadableSource."""
    try:
        cells = json.loads(content)["cells"]
        parts = []
        for cell in cells:
            body = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                parts.append(body)
            elif cell["cell_type"] == "code" and body.strip():
                parts.append(f"```python\n{body}\n```")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableSource(f"not a notebook: {type(error).__name__}: {error}") from error
    return "\n\n".join(parts) + "\n"


def load_docs_folder(
    root: Path,
    *,
    source: str | None = None,
    revision: str | None = None,
    licence: str | None = None,
    max_chars: int = MAX_CHARS,
) -> SeedReport:
    """Pages of all .rst, .md and .ipynb files below a folder (or of one file)."""
    if not root.exists():
        raise SeedError(f"The documentation folder {root} does not exist.")
    name = source or root.resolve().name
    at = revision or git_commit(root)
    base = root if root.is_dir() else root.parent

    def candidates() -> Iterator[tuple[int, object, Seed | None]]:
        for path in _documents(root):
            place = f"{name}/{path.relative_to(base).as_posix()}"
            try:
                content = read_limited(path)
                text = notebook_text(content) if path.suffix == ".ipynb" else content.decode("utf-8-sig")
            except UnreadableSource as error:
                yield 1, RowProblem(1, str(error), place), None
                continue
            except UnicodeDecodeError as error:
                row = content[: error.start].count(b"\n") + 1
                yield row, RowProblem(row, "not UTF-8", place), None
                continue
            for page in cut_pages(text.replace("\r\n", "\n"), path.suffix.lower(), max_chars=max_chars):
                yield page.line, page.text, Seed("", f"{place}:{page.line}", at, licence)

    return collect(candidates(), name, max_chars)


def _documents(root: Path) -> list[Path]:
    if root.is_file():
        return [root]
    found = []
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if name not in _SKIPPED and not name.startswith(".")]
        found += [Path(folder, name) for name in files if name.lower().endswith(_SUFFIXES)]
    return sorted(found)


def load_docstrings(name: str, *, licence: str | None = None, max_chars: int = MAX_CHARS) -> SeedReport:
    """Pages of the docstrings of a module or package: signature and docstring of all that is public.

    Python source is read, not run. Only a compiled module, and one of the standard library that merely passes on what
    a compiled one defines, is imported.
    """
    revision = package_revision(name)
    licence = licence or package_licence(name)
    try:
        report = _read_docstrings(find_package(name), name, revision, licence, max_chars)
    except SeedError:
        return _imported_docstrings(name, revision, licence, max_chars)
    if not report.seeds and name in sys.stdlib_module_names:
        return _imported_docstrings(name, revision, licence, max_chars)
    return report


def _imported_docstrings(name: str, revision: str | None, licence: str | None, max_chars: int) -> SeedReport:
    pages = cut_pages(_live_docstrings(name), ".md", max_chars=max_chars)
    rows = [(page.line, page.text, Seed("", f"{name}:{page.line}", revision, licence)) for page in pages]
    return collect(rows, name, max_chars)


def _read_docstrings(root: Path, name: str, revision: str | None, licence: str | None, max_chars: int) -> SeedReport:
    def candidates() -> Iterator[tuple[int, object, Seed | None]]:
        for path in source_files(root):
            module = _module_name(name, root, path)
            if any(part.startswith("_") for part in module.split(".")):
                continue
            try:
                tree, _ = parse(read_limited(path))
            except UnreadableSource as error:
                yield error.line, RowProblem(error.line, str(error), module), None
                continue
            for page in cut_pages(_docstrings(tree, module), ".md", max_chars=max_chars):
                yield page.line, page.text, Seed("", f"{module}:{page.line}", revision, licence)

    return collect(candidates(), name, max_chars)


def _module_name(name: str, root: Path, path: Path) -> str:
    if root.is_file():
        return name
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join([name, *(part for part in parts if part != "__init__")])


def _docstrings(tree: ast.Module, module: str) -> str:
    parts = [f"# {module}", ast.get_docstring(tree) or ""]
    for node in tree.body:
        parts += _documented(node, module)
    return "\n\n".join(part for part in parts if part) + "\n"


def _documented(node: ast.stmt, owner: str) -> list[str]:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return []
    documentation = ast.get_docstring(node)
    if node.name.startswith("_") or not documentation:
        return []
    qualified = f"{owner}.{node.name}"
    if not isinstance(node, ast.ClassDef):
        return [f"## {qualified}({ast.unparse(node.args)})", documentation]
    members = [part for child in node.body for part in _documented(child, qualified)]
    return [f"## class {qualified}", documentation, *members]


def _live_docstrings(name: str) -> str:
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise SeedError(f"The module '{name}' cannot be imported: {error}.") from error
    parts = [f"# {name}", inspect.getdoc(module) or ""]
    for attribute in sorted(vars(module)):
        value = getattr(module, attribute)
        documentation = inspect.getdoc(value) if callable(value) else None
        if attribute.startswith("_") or not documentation:
            continue
        try:
            signature = str(inspect.signature(value))
        except (ValueError, TypeError):  # many compiled functions carry none
            signature = "(...)"
        parts += [f"## {name}.{attribute}{signature}", documentation]
    return "\n\n".join(part for part in parts if part) + "\n"
