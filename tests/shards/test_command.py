"""`kodcode status` and `kodcode retry` where a shard is dead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from flows.cli.main import app


def test_status_says_why_a_shard_is_dead_and_retry_frees_its_rows(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.begin() as connection:
        connection.execute(
            text(
                "insert into kodcode.shards (stage, work, rows, wanted_by, status, attempts, reason) values "
                "('solve', '{}', '{Evol_00000001:0,Evol_00000002:0}', '{a}', 'dead', 3, '3 workers were lost'), "
                "('solve', '{}', '{Evol_00000003:0}', '{a}', 'open', 0, null), "
                "('convert', '{}', '{Evol_00000004_C}', '{a}', 'dead', 3, '3 workers were lost')"
            )
        )
    monkeypatch.setenv("KODCODE_DATABASE_URL", database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("KODCODE_ARTIFACTS_URL", (tmp_path / "artifacts").as_uri())
    monkeypatch.setenv("KODCODE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")

    def kodcode(*arguments: str) -> str:
        result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        assert result.exit_code == 0
        return result.stdout

    told = json.loads(kodcode("status", "--json"))
    (convert, solve) = told["stages"]
    assert (solve["open"], solve["dead"], solve["rows_left"]) == (1, 1, 1)
    assert (convert["dead"], convert["rows_left"], convert["eta_s"]) == (1, 0, None)
    assert {shard["reason"] for shard in told["shards"]} == {"3 workers were lost"}
    assert "kodcode retry" in kodcode("status")
    assert "2 rows of 1 dead" in kodcode("retry", str(told["shards"][0]["shard_id"]))
    assert "1 rows of 1 dead" in kodcode("retry")
    assert [stage["dead"] for stage in json.loads(kodcode("status", "--json"))["stages"]] == [0]
