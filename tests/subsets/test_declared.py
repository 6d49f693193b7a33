"""seeds.toml: every kind of source, checkouts included, and errors that name the entry."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tasks.subsets import SHIPPED_SOURCES, SUBSETS, SeedError, declared_sources, get_subset, load_declared

CODE = (
    "def running_total(values):\n    total = 0\n    result = []\n    for value in values:\n        total += value\n"
    "        result.append(total)\n    return result\n"
)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "origin"
    (root / "docs").mkdir(parents=True)
    (root / "sums.py").write_text(CODE)
    page = "Sums\n====\n\n" + "A running total adds each value to those before. " * 12
    (root / "docs" / "page.rst").write_text(page)
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    for arguments in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "x"], ["tag", "v1"]):
        subprocess.run(["git", "-C", str(root), *arguments], check=True)
    (root / "sums.py").write_text(CODE.replace("total", "amount"))
    subprocess.run(["git", "-C", str(root), *who, "commit", "-qam", "y"], check=True)
    return root


def written(path: Path, *entries: str) -> Path:
    path.write_text("\n".join(f"[[source]]\n{entry}" for entry in entries))
    return path


def test_a_checkout_gives_snippets_and_pages_with_commit_and_licence(tmp_path: Path, repository: Path) -> None:
    file = written(
        tmp_path / "seeds.toml",
        f'name = "sums"\nsubsets = ["algorithm"]\ngit = "{repository.as_uri()}"\nrevision = "v1"\nlicence = "MIT"',
        f'name = "sums-docs"\nsubsets = ["Docs"]\ngit = "{repository.as_uri()}"\nfolder = "docs"\nlicence = "MIT"',
    )
    commit = subprocess.run(
        ["git", "-C", str(repository), "rev-parse", "v1"], check=True, capture_output=True, text=True
    ).stdout.strip()
    (snippet,) = load_declared(get_subset("Algorithm"), file).seeds
    assert snippet.text == CODE.strip()
    assert (snippet.source, snippet.revision, snippet.licence) == ("sums/sums.py:running_total", commit, "MIT")
    (page,) = load_declared(get_subset("Docs"), file).seeds
    assert page.source.startswith("sums-docs")
    assert page.revision != commit


def test_tables_and_packages_are_one_set_of_texts(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"q": text}) + "\n" for text in ("one", "two", "one")))
    (tmp_path / "b.csv").write_text("q\ntwo\nthree\n")
    entry = 'name = "{0}"\nsubsets = ["Apps"]\npath = "{1}"\ncolumn = "q"\nlicence = "CC-BY-4.0 AND MIT"'
    file = written(
        tmp_path / "seeds.toml", entry.format("a", tmp_path / "a.jsonl"), entry.format("b", tmp_path / "b.csv"),
        'name = "json"\nsubsets = ["Docs"]\npath = "json"\nlicence = "PSF-2.0"',
    )  # fmt: skip
    report = load_declared(get_subset("Apps"), file)
    assert [seed.text for seed in report.seeds] == ["one", "two", "three"]
    assert {seed.licence for seed in report.seeds} == {"CC-BY-4.0 AND MIT"}
    assert report.duplicates == 2
    assert load_declared(get_subset("Docs"), file).seeds
    assert load_declared(get_subset("Prefill"), file).seeds == ()
    with pytest.raises(SeedError, match="no source for Evol"):
        load_declared(get_subset("Evol"), file)


def test_the_shipped_list_names_a_source_with_its_licence_for_every_subset_that_needs_seeds() -> None:
    sources = declared_sources(SHIPPED_SOURCES)
    named = {subset for source in sources for subset in source.subsets}
    assert named == {spec.name for spec in SUBSETS.values() if spec.seed_kind is not None}
    assert all(source.licence for source in sources)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ('name = "x"\nsubsets = ["Apps"]\npath = "a"\nlicence = "free for all!"', "licence: .*SPDX"),
        ('name = "x"\nsubsets = ["Apps"]\nlicence = "MIT"', "exactly one of path and git"),
        ('name = "x"\nsubsets = ["Apps"]\npath = "a"\nlicence = "MIT"\ncolour = "red"', "colour"),
        ('name = "x"\nsubsets = ["Apps"]\ngit = "u"\nfolder = "../.."\nlicence = "MIT"', "inside the checkout"),
        ('name = "x"\nsubsets = ["Apps"]\ngit = "u"\nrevision = "--upload-pack=x"\nlicence = "MIT"', "revision"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, entry: str, problem: str) -> None:
    good = 'name = "x"\nsubsets = ["Apps"]\npath = "a.csv"\nlicence = "MIT"'
    with pytest.raises(SeedError, match=f"source 2: .*{problem}"):
        declared_sources(written(tmp_path / "seeds.toml", good, entry))


def test_a_repository_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    entry = f'name = "x"\nsubsets = ["Algorithm"]\ngit = "{(tmp_path / "none").as_uri()}"\nlicence = "MIT"'
    with pytest.raises(SeedError, match="cannot be read"):
        load_declared(get_subset("Algorithm"), written(tmp_path / "seeds.toml", entry))
