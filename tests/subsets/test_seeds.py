"""Seeds: loaders on files as they occur, built-in seeds, and which seeds a prompt shows."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import polars as pl
import pytest
from moto.server import ThreadedMotoServer

from tasks.subsets import (
    BUILTIN_SOURCE,
    SHIPPED_SOURCES,
    SUBSETS,
    NoSeeds,
    RowProblem,
    Seed,
    SeedError,
    SeedSource,
    SizeLimits,
    SubsetError,
    builtin_seeds,
    choose_seeds,
    declared_sources,
    get_subset,
    load_declared,
    load_docs_folder,
    load_docstrings,
    load_package,
    load_seeds,
    load_source_tree,
    load_table,
    merge,
    seed_id,
)

LEETCODE = get_subset("Leetcode")
APPS = get_subset("Apps")
TEXTS = ("Sum the digits of n.", 'Count "words", please.', "Zeile mit Umlaut: ä\nand a second line")


# --- tables ---


def test_jsonl_rows_that_are_broken_are_named_and_the_others_used(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    rows = [
        b"\xef\xbb\xbf" + json.dumps({"text": TEXTS[0], "licence": "MIT", "source": "site A"}).encode(),
        b'{"text": "cut in the mid',
        b"",
        json.dumps({"txt": "wrong field"}).encode(),
        json.dumps({"text": ""}).encode(),
        json.dumps({"text": 7}).encode(),
        json.dumps(["text"]).encode(),
        b'{"text": "latin-1 \xe4"}',
        b'{"text": "half \\ud83d"}',
        b'{"text": "bell \\u0007"}',
        json.dumps({"text": f"  {TEXTS[0]}\r\n"}).encode(),
        b"[" * 100_000,
        json.dumps({"text": "x" * 20_001}).encode(),
        json.dumps(TEXTS[2]).encode(),
        json.dumps({"text": None}).encode(),
    ]
    path.write_bytes(b"\r\n".join(rows))
    report = load_table(str(path), licence="CC-BY-4.0", revision="v1")
    assert report.seeds == (
        Seed(TEXTS[0], "site A", "v1", "MIT"),
        Seed(TEXTS[2], str(path), "v1", "CC-BY-4.0"),
    )
    assert report.duplicates == 1
    assert [problem.row for problem in report.problems] == [2, 4, 5, 6, 7, 8, 9, 10, 12, 13, 15]
    reasons = {problem.row: problem.reason for problem in report.problems}
    assert "not JSON" in reasons[2]
    assert "no field 'text' (fields: txt)" in reasons[4]
    assert "not UTF-8" in reasons[8]
    assert "surrogate" in reasons[9]
    assert "U+0007" in reasons[10]
    assert "20,001 characters" in reasons[13]
    assert str(report.problems[0]).startswith(f"{path}: row 2: ")


def test_compressed_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "one"}\n{"text": "two"}\n'))
    assert [seed.text for seed in load_table(str(path)).seeds] == ["one", "two"]


def test_damaged_gzip_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "one"}\n' * 5_000)[:40])
    with pytest.raises(SeedError, match="cannot be read"):
        load_table(str(path))


def test_limit_counts_usable_rows(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_text('nonsense\n{"text": "one"}\n{"text": "two"}\n{"text": "three"}\n')
    report = load_table(str(path), limit=2)
    assert [seed.text for seed in report.seeds] == ["one", "two"]


def test_parquet_with_a_named_column(tmp_path: Path) -> None:
    path = tmp_path / "seeds.parquet"
    pl.DataFrame({"id": [1, 2, 3, 4], "description": [TEXTS[0], None, TEXTS[1], TEXTS[0]]}).write_parquet(path)
    report = load_table(str(path), "description")
    assert [seed.text for seed in report.seeds] == list(TEXTS[:2])
    assert report.problems == (RowProblem(2, "the text is missing", str(path)),)
    assert report.duplicates == 1


def test_csv_with_quotes_line_breaks_and_numbers(tmp_path: Path) -> None:
    path = tmp_path / "seeds.csv"
    pl.DataFrame({"n": [1, 2, 3], "text": [TEXTS[1], TEXTS[2], "12345"]}).write_csv(path)
    assert [seed.text for seed in load_table(str(path)).seeds] == [TEXTS[1], TEXTS[2], "12345"]


def test_missing_column_names_those_there_are(tmp_path: Path) -> None:
    path = tmp_path / "seeds.parquet"
    pl.DataFrame({"prompt": ["a"], "answer": ["b"]}).write_parquet(path)
    with pytest.raises(SeedError, match=r"no column 'text'. Its columns are: prompt, answer"):
        load_table(str(path))


@pytest.mark.parametrize("name", ["seeds.parquet", "seeds.csv"])
def test_file_of_another_format_is_one_clear_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x00\x01\x02 not what the ending says \xff" * 10)
    with pytest.raises(SubsetError) as caught:
        load_table(str(path))
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["seeds.jsonl", "seeds.parquet", "seeds.csv"])
def test_missing_file_is_said_so(tmp_path: Path, name: str) -> None:
    with pytest.raises(SeedError, match="does not exist"):
        load_table(str(tmp_path / name))


def test_all_rows_broken_is_no_seeds_with_the_first_reasons(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_text("a\nb\nc\nd\ne\n")
    with pytest.raises(NoSeeds, match=r"row 1: not JSON.*row 3: .*and 2 more") as caught:
        load_seeds(LEETCODE, str(path))
    assert "\n" not in str(caught.value)


def test_empty_file_is_no_seeds(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_bytes(b"")
    with pytest.raises(NoSeeds, match="no seeds at all"):
        load_seeds(LEETCODE, str(path))


def test_unknown_source_says_what_can_be_named() -> None:
    with pytest.raises(SeedError, match=r"no such file or folder.*jsonl.*s3://"):
        load_seeds(LEETCODE, "leetcode.docx")


def test_several_sources_are_one_set_and_the_first_origin_counts(tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text('{"text": "one"}\n')
    second.write_text('{"text": "one"}\n{"text": "two"}\n')
    report = load_seeds(LEETCODE, str(first), SeedSource(str(second), licence="MIT"))
    assert [(seed.text, seed.source, seed.licence) for seed in report.seeds] == [
        ("one", str(first), None),
        ("two", str(second), "MIT"),
    ]
    assert report.duplicates == 1


# --- tables elsewhere ---


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("KODCODE_S3_ENDPOINT_URL", f"http://{host}:{port}")
    boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket="seeds")
    yield f"http://{host}:{port}"
    server.stop()


def test_s3_jsonl_parquet_and_csv(bucket: str, tmp_path: Path) -> None:
    client = boto3.client("s3", endpoint_url=bucket)
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\nbroken\n{"text": "two"}\n')
    pl.DataFrame({"text": ["three"]}).write_parquet(tmp_path / "b.parquet")
    pl.DataFrame({"text": ["four"]}).write_csv(tmp_path / "c.csv")
    for name in ("a.jsonl", "b.parquet", "c.csv"):
        client.upload_file(str(tmp_path / name), "seeds", f"in/{name}")
    sources = [f"s3://seeds/in/{name}" for name in ("a.jsonl", "b.parquet", "c.csv")]
    report = load_seeds(APPS, *sources)
    assert [seed.text for seed in report.seeds] == ["one", "two", "three", "four"]
    assert [problem.row for problem in report.problems] == [2]
    assert report.seeds[2].source == "s3://seeds/in/b.parquet"


def test_missing_s3_object_is_one_clear_error(bucket: str) -> None:
    with pytest.raises(SeedError, match=r"s3://seeds/nothing\.parquet") as caught:
        load_seeds(APPS, "s3://seeds/nothing.parquet")
    assert "\n" not in str(caught.value)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server that hands out files with byte ranges, as mirrors of Hugging Face do."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, with_body: bool) -> None:
            path = tmp_path / self.path.lstrip("/")
            if not path.is_file():
                self.send_error(404)
                return
            body, status, extra = path.read_bytes(), 200, None
            size = len(body)
            if found := re.match(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "")):
                start = int(found[1]) if found[1] else max(0, size - int(found[2]))
                end = min(int(found[2]), size - 1) if found[1] and found[2] else size - 1
                body, status, extra = body[start : end + 1], 206, f"bytes {start}-{end}/{size}"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
            if extra:
                self.send_header("Content-Range", extra)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}/")
    yield tmp_path
    server.shutdown()
    server.server_close()


def test_hugging_face_paths_go_to_the_mirror_and_keep_their_revision(mirror: Path) -> None:
    main = mirror / "datasets/owner/name/resolve/main/data"
    pinned = mirror / "datasets/owner/name/resolve/abc123"
    main.mkdir(parents=True)
    pinned.mkdir(parents=True)
    (main / "train.jsonl").write_text('{"text": "one"}\nbroken\n')
    pl.DataFrame({"text": ["two"]}).write_parquet(pinned / "train.parquet")
    report = load_seeds(
        APPS, "hf://datasets/owner/name/data/train.jsonl", "hf://datasets/owner/name@abc123/train.parquet"
    )
    assert [(seed.text, seed.revision) for seed in report.seeds] == [("one", "main"), ("two", "abc123")]
    assert [problem.row for problem in report.problems] == [2]


def test_a_pattern_cannot_be_read_through_a_mirror(mirror: Path) -> None:
    with pytest.raises(SeedError, match="pattern"):
        load_seeds(APPS, "hf://datasets/owner/name/*.parquet")


# The columns of the shipped tables as their cards and the code that reads them name them.
PUBLISHED = {
    "leetcode": ("id", "slug", "title", "difficulty", "content", "java", "c++", "python", "javascript"),
    "codeforces": ("id", "contest_id", "index", "title", "description", "input_format", "output_format", "rating"),
    "apps": ("problem_id", "question", "solutions", "input_output", "difficulty", "url", "starter_code"),
    "taco": ("question", "solutions", "starter_code", "input_output", "difficulty", "raw_tags", "name", "source"),
    "code-contests": ("name", "description", "public_tests", "private_tests", "difficulty", "cf_rating", "source"),
    "package-instruct": ("instruction", "output", "tag"),
    "evol-instruct": ("instruction", "response"),
}


def test_every_shipped_table_is_read_in_its_published_shape_with_its_licence(mirror: Path) -> None:
    tables = {source.name: source for source in declared_sources(SHIPPED_SOURCES) if source.path is not None}
    assert tables.keys() == PUBLISHED.keys()
    for name, source in tables.items():
        columns = PUBLISHED[name]
        row = {column: f"{column} of {name}" for column in columns}
        owner, repository, rest = str(source.path).removeprefix("hf://datasets/").split("/", 2)
        file = mirror / "datasets" / owner / repository / "resolve" / "main" / rest
        file.parent.mkdir(parents=True)
        if file.suffix == ".parquet":
            pl.DataFrame([row]).write_parquet(file)
        else:
            file.write_text(json.dumps(row) + "\n")
        for subset in source.subsets:
            report = load_declared(get_subset(subset), SHIPPED_SOURCES)
            assert [seed.text for seed in report.seeds] == [f"{source.column} of {name}"]
            assert [seed.licence for seed in report.seeds] == [source.licence]


# --- source code ---


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "algorithms"
    (root / "sorts").mkdir(parents=True)
    (root / "tests").mkdir()
    body = "\n".join(f"    x = x + {i}" for i in range(6))
    (root / "sorts" / "merge.py").write_text(
        f"import functools\n\n\n@functools.cache\ndef long_enough(x):\n{body}\n    return x\n\n\n"
        f"def short(x):\n    return x\n\n\nclass Pair:\n    def first(self):\n{body.replace('    x', '        x')}\n"
        "        return x\n"
    )
    methods = "\n".join(
        f"    def method_{m}(self, x):\n{body.replace('    x', '        x')}\n        return x\n" for m in range(30)
    )
    (root / "big.py").write_text(
        f"try:\n    import fast\nexcept ImportError:\n    fast = None\n\nclass Big:\n{methods}"
    )
    (root / "python2.py").write_text("def f():\n    print 'hello'\n")
    (root / "null.py").write_bytes(b"x = 1\x00\n")
    (root / "deep.py").write_text("x = " + "(" * 5_000 + ")" * 5_000)
    (root / "latin.py").write_bytes(
        b"# -*- coding: latin-1 -*-\ndef caf\xe9(x):\n" + body.encode() + b"\n    return x\n"
    )
    (root / "tests" / "test_merge.py").write_text(f"def test_it():\n{body}\n")
    return root


def test_source_tree_gives_definitions_with_decorators_and_methods_of_large_classes(tree: Path) -> None:
    report = load_source_tree(tree, licence="MIT", revision="r1")
    found = {seed.source: seed for seed in report.seeds}
    # Thirty methods alike are one text each; the same text twice is one seed.
    assert {
        "algorithms/sorts/merge.py:long_enough",
        "algorithms/sorts/merge.py:Pair",
        "algorithms/big.py:Big.method_0",
        "algorithms/latin.py:café",
    } <= set(found)
    assert "algorithms/sorts/merge.py:short" not in found
    assert not any("test" in source for source in found)
    decorated = found["algorithms/sorts/merge.py:long_enough"]
    assert decorated.text.startswith("@functools.cache\ndef long_enough")
    assert found["algorithms/big.py:Big.method_0"].text.startswith("def method_0(self, x):\n    x = x + 0")
    assert (decorated.revision, decorated.licence) == ("r1", "MIT")


def test_source_files_that_do_not_parse_are_named_with_their_line(tree: Path) -> None:
    problems = {problem.source: problem for problem in load_source_tree(tree).problems}
    assert set(problems) == {"algorithms/python2.py", "algorithms/null.py", "algorithms/deep.py"}
    assert problems["algorithms/python2.py"].row == 2


def test_size_limits_of_snippets(tree: Path) -> None:
    report = load_source_tree(tree / "sorts", limits=SizeLimits(min_lines=2, max_lines=3))
    assert [seed.source for seed in report.seeds] == ["sorts/merge.py:short"]


def test_a_git_checkout_lends_its_commit(tree: Path) -> None:
    git = ["git", "-C", str(tree), "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "first"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert {seed.revision for seed in load_source_tree(tree / "sorts").seeds} == {commit}
    subprocess.run([*git, "pack-refs", "--all"], check=True)
    assert {seed.revision for seed in load_source_tree(tree / "sorts").seeds} == {commit}


def test_links_in_a_tree_do_not_lead_in_circles(tree: Path) -> None:
    (tree / "loop").symlink_to(tree, target_is_directory=True)
    assert not any("loop" in seed.source for seed in load_source_tree(tree).seeds)


def test_installed_package_is_read_without_being_imported() -> None:
    code = (
        "import sys; from tasks.subsets import load_package, load_docstrings; "
        "a = load_package('flask'); b = load_docstrings('flask'); "
        "print(len(a.seeds), len(b.seeds), a.seeds[0].revision, a.seeds[0].licence, 'flask' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert int(output[0]) > 50
    assert int(output[1]) > 20
    assert output[2].lower() == "flask"
    assert output[-2:] == ["BSD-3-Clause", "False"]


def test_package_that_is_not_installed_is_said_so() -> None:
    with pytest.raises(SeedError, match="not installed"):
        load_package("no_such_package_here")


def test_the_subset_decides_how_a_folder_or_package_is_read(tree: Path) -> None:
    (tree / "guide.md").write_text("# Guide\n\n" + "This library sorts lists of things. " * 20)
    assert all(".py:" in seed.source for seed in load_seeds(get_subset("Algorithm"), str(tree)).seeds)
    assert all(".md:" in seed.source for seed in load_seeds(get_subset("Docs"), str(tree)).seeds)
    assert load_seeds(get_subset("Data_Structure"), "heapq").seeds[0].text.startswith("def ")
    assert load_seeds(get_subset("Docs"), "heapq").seeds[0].text.startswith("# heapq")


# --- documentation ---


def test_docs_folder_is_cut_into_pages_at_headings(tmp_path: Path) -> None:
    paragraph = "It is explained at length, with all that belongs to it. " * 30
    (tmp_path / "guide.rst").write_text(
        f"=====\nGuide\n=====\n\n{paragraph}\n\nFirst\n-----\n\n{paragraph}\n\nSecond\n------\n\n{paragraph}\n"
    )
    (tmp_path / "more.md").write_text(
        f"# More\n\n{paragraph}\n\n```python\n# not a heading\n```\n\n## Part\n\n{paragraph}"
    )
    cells = [
        {"cell_type": "markdown", "source": ["# Note\n", paragraph]},
        {"cell_type": "code", "source": "print(1)", "outputs": []},
        {"cell_type": "raw", "source": "left out"},
    ]
    (tmp_path / "book.ipynb").write_text(json.dumps({"cells": cells}))
    (tmp_path / "broken.ipynb").write_text('{"cells": 3}')
    (tmp_path / "tiny.md").write_text("# Tiny\n\nNothing here.\n")
    (tmp_path / "latin.rst").write_bytes(b"line\n\xe4\xf6\n")
    (tmp_path / "_build").mkdir()
    (tmp_path / "_build" / "copy.rst").write_text(paragraph)
    report = load_docs_folder(tmp_path, source="docs", licence="BSD-3-Clause")
    texts = {seed.source: seed.text for seed in report.seeds}
    assert set(texts) == {"docs/guide.rst:1", "docs/guide.rst:12", "docs/more.md:1", "docs/book.ipynb:1"}
    assert texts["docs/guide.rst:1"].startswith("=====\nGuide")
    assert texts["docs/guide.rst:12"].startswith("Second\n------")
    assert "```python\nprint(1)\n```" in texts["docs/book.ipynb:1"]
    assert "left out" not in texts["docs/book.ipynb:1"]
    assert {(problem.source, problem.row) for problem in report.problems} == {
        ("docs/broken.ipynb", 1),
        ("docs/latin.rst", 2),
    }


def test_no_page_is_longer_than_the_limit_and_no_text_of_a_long_one_is_lost(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(4_000)]
    lines = [" ".join(words[at : at + 10]) + ("\n" if at % 50 == 0 else "") for at in range(0, len(words), 10)]
    (tmp_path / "long.md").write_text("# Long\n\n" + "\n".join(lines))
    seeds = load_docs_folder(tmp_path).seeds
    assert len(seeds) > 3
    assert all(len(seed.text) <= 6_000 for seed in seeds)
    assert [word for seed in seeds for word in seed.text.split() if word.startswith("word")] == words


def test_one_endless_line_is_cut_too(tmp_path: Path) -> None:
    (tmp_path / "line.rst").write_text("x" * 50_000)
    assert all(len(seed.text) <= 6_000 for seed in load_docs_folder(tmp_path).seeds)


def test_docstrings_of_a_compiled_module() -> None:
    report = load_docstrings("itertools")
    assert any("itertools.accumulate" in seed.text for seed in report.seeds)
    assert {seed.licence for seed in report.seeds} == {"PSF-2.0"}


# --- built in ---


def test_every_subset_has_the_seeds_it_needs_without_a_download() -> None:
    for spec in SUBSETS.values():
        report = load_seeds(spec)
        assert not report.problems
        if spec.seeds_per_prompt == 0:
            assert report.seeds == ()
            continue
        assert len(report.seeds) >= 6
        assert {seed.source for seed in report.seeds} == {BUILTIN_SOURCE}
        written = spec.seed_kind in ("problem", "instruction")
        assert {seed.licence for seed in report.seeds} == {"Apache-2.0" if written else "PSF-2.0"}
        if not written:
            assert all(seed.revision and "Python 3." in seed.revision for seed in report.seeds)
            assert len(report.seeds) >= 30


def test_builtin_seeds_of_different_subsets_are_different_texts() -> None:
    texts = [seed.text for spec in SUBSETS.values() for seed in builtin_seeds(spec).seeds]
    assert max(Counter(texts).values()) <= 2  # heapq serves algorithms and data structures


# --- ids and choice ---


def test_the_same_text_is_the_same_seed() -> None:
    assert seed_id("Leetcode", "a\r\nb \n") == seed_id("Leetcode", "a\nb")
    assert seed_id("Leetcode", "a") != seed_id("Apps", "a")
    assert re.fullmatch("[0-9a-f]{16}", seed_id("Leetcode", "a"))
    assert merge([load_seeds(LEETCODE), load_seeds(LEETCODE)]).seeds == load_seeds(LEETCODE).seeds


def test_choice_of_seeds_is_fixed_for_ever() -> None:
    ids = [f"{number:016x}" for number in range(10)]
    assert [choose_seeds(LEETCODE, ids, index) for index in (0, 3, 1_000_000)] == [
        ("0000000000000002", "0000000000000008", "0000000000000005"),
        ("0000000000000005", "0000000000000002", "0000000000000003"),
        ("0000000000000005", "0000000000000004", "0000000000000008"),
    ]


def test_choice_does_not_depend_on_the_order_of_the_ids() -> None:
    ids = [f"{number:016x}" for number in range(50)]
    for index in range(100):
        assert choose_seeds(LEETCODE, ids, index) == choose_seeds(LEETCODE, ids[::-1] + ids[:3], index)


def test_choice_is_distinct_within_a_prompt_and_even_over_prompts() -> None:
    ids = [f"{number:016x}" for number in range(31)]
    chosen = [choose_seeds(LEETCODE, ids, index) for index in range(310)]
    assert all(len(set(prompt)) == 3 for prompt in chosen)
    used = Counter(identity for prompt in chosen for identity in prompt)
    assert set(used) == set(ids)
    assert max(used.values()) - min(used.values()) <= 5  # one of 31 sits out each deal
    assert len(set(chosen)) == 310
    single = Counter(choose_seeds(APPS, ids, index)[0] for index in range(310))
    assert set(single.values()) == {10}


def test_fewer_seeds_than_a_prompt_shows() -> None:
    assert sorted(choose_seeds(LEETCODE, ["a", "b"], 5)) == ["a", "b"]
    with pytest.raises(NoSeeds):
        choose_seeds(LEETCODE, [], 0)
    assert choose_seeds(get_subset("Filter"), [], 0) == ()


def test_another_hash_seed_of_python_changes_nothing() -> None:
    code = (
        "from tasks.subsets import *; s = get_subset('leetcode'); "
        "ids = {seed_id(s.name, x.text) for x in load_seeds(s).seeds}; "
        "print([choose_seeds(s, list(ids), i) for i in range(20)])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": value},
        ).stdout
        for value in ("1", "2")
    }
    assert len(outputs) == 1
