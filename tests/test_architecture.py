"""Imports point one way: flows -> tasks -> engines -> store."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.settings import REPOSITORY

TASKS = REPOSITORY / "tasks"
ENGINES = {folder.name for folder in TASKS.iterdir() if (folder / "__init__.py").exists()}
STAGES = {path.stem for path in TASKS.glob("*.py")} - {"__init__", "syntax"}
# What an engine may know of another: its vocabulary or its public face.
ALLOWED = {
    "fetching": {"formats", "store"},
    "formats": {"licences", "sandbox", "trials", "trust"},
    "history": {"store", "subsets"},
    "hub": {"fetching", "formats", "store"},
    "imports": {"store", "subsets"},
    "licences": set(),
    "llm": {"store"},
    "report": {"store", "subsets"},
    "sandbox": set(),
    "screening": {"store"},
    "shards": {"store"},
    "store": set(),
    "styles": {"sandbox", "trials", "trust"},
    "subsets": {"llm"},
    "trials": set(),
    "trust": {"sandbox", "trials"},
}


def imports(path: Path) -> Iterator[str]:
    """Every absolute import of a module, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_an_engine_knows_no_prefect_no_stage_and_few_engines(engine: str) -> None:
    for path in (TASKS / engine).rglob("*.py"):
        for name in imports(path):
            parts = name.split(".")
            assert parts[0] not in {"prefect", "flows"}, f"{path.name} imports {name}"
            if parts[0] == "tasks" and len(parts) > 1:
                assert parts[1] not in STAGES, f"{path.name} imports {name}"
                if parts[1] in ENGINES - {engine}:
                    assert parts[1] in ALLOWED[engine], f"{path.name} imports {name}"


def test_stages_do_not_know_the_flows() -> None:
    for path in TASKS.glob("*.py"):
        assert not any(name.split(".")[0] == "flows" for name in imports(path)), path.name


def test_another_engines_private_modules_stay_private() -> None:
    for path in [*TASKS.rglob("*.py"), *(REPOSITORY / "flows").rglob("*.py")]:
        for name in imports(path):
            parts = name.split(".")
            if (
                parts[0] == "tasks"
                and len(parts) > 2
                and parts[1] in ENGINES
                and (TASKS / parts[1]) not in path.parents
            ):
                assert not any(part.startswith("_") for part in parts), f"{path} imports {name}"


@pytest.mark.parametrize(
    ("module", "others"),
    [("tasks.llm.openai_provider", {"anthropic"}), ("tasks.llm.anthropic_provider", {"openai"}),
     ("flows.cli", {"openai", "anthropic", "prefect"})],
)  # fmt: skip
def test_what_takes_long_to_import_is_imported_where_it_is_used(module: str, others: set[str]) -> None:
    program = f"import sys, {module}; print({others!r} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True
    )
    assert done.stdout.strip() == "set()"
