"""`kodcode sql` and `kodcode export` as one types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import Engine

from flows.cli import main

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def kodcode(
    told: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """The command line on that history: (exit status, standard output, standard error)."""
    for name, value in {
        "KODCODE_DATABASE_URL": told.url.render_as_string(hide_password=False),
        "KODCODE_ARTIFACTS_URL": (tmp_path / "artifacts").as_uri(),
        "KODCODE_DATA_DIR": str(tmp_path / "data"),
        "PREFECT_API_URL": "http://127.0.0.1:1/api",
        "COLUMNS": "200",
    }.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["kodcode", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return run


def test_named_queries_are_listed_and_asked_with_parameters(kodcode: Command) -> None:
    status, out, _ = kodcode("sql", "--list")
    assert status == 0
    assert "@slowest_solutions\n    Which solutions that passed ran longest?\n    --param rows=50  (int) rows" in out
    status, out, _ = kodcode("sql", "--list", "--json", "@runs")
    assert [one["default"] for one in json.loads(out)[0]["parameters"]] == [None, 20]
    status, out, _ = kodcode("sql", "@slowest_solutions", "--param", "rows=1", "--json")
    assert [row["duration_s"] for row in json.loads(out)] == [3.0]
    status, out, _ = kodcode("sql", "@slowest_solutions", "--param", "rows=1")
    assert "Which solutions that passed ran longest?" in out
    assert "1 row\n" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["@nothing"], "no query @nothing"),
        (["@slowest_solutions", "--param", "limit=1"], "no parameter limit"),
        (["@slowest_solutions", "--param", "rows"], "NAME=VALUE"),
        (["@slowest_solutions", "--param", "rows=1", "--param", "rows=2"], "once"),
        (["select 1", "--param", "rows=1"], "named queries"),
        (["select pg_sleep(60)", "--timeout", "0.1"], "longer than 0.1 s"),
        (["select 1", "--timeout", "3e6"], "--timeout"),
        (["delete from responses"], "read-only"),
        (["commit; delete from responses; commit"], "multiple commands"),
        (["copy runs to stdout"], "COPY"),
        ([], "--list"),
        (["select 1", "--grant", "analyst"], "--grant goes without"),
    ],
)
def test_what_cannot_be_answered_is_wrong_usage(kodcode: Command, arguments: list[str], said: str) -> None:
    status, out, err = kodcode("sql", *arguments)
    assert (status, out) == (2, "")
    assert said in err


def test_the_history_is_exported(kodcode: Command, tmp_path: Path) -> None:
    status, out, _ = kodcode("export", str(tmp_path / "mirror"), "--json")
    assert status == 0
    files = json.loads(out)
    assert files["trials"]["rows"] == pl.read_parquet(files["trials"]["path"]).height == 12


def test_paths_are_printed_as_they_are(kodcode: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    folder = tmp_path / "[bold]100% of a long [name]"
    status, out, _ = kodcode("export", str(folder))
    assert status == 0
    assert f"{folder}/trials.parquet: 12 rows, " in out
    status, out, _ = kodcode("report", "--out", str(folder / "report.html"))
    assert status == 0
    assert out.startswith(f"{folder}/report.html: 5 triplets, ")
