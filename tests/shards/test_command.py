"""`kodcode status` and `kodcode retry` where a shard is dead."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from flows.cli.main import app
from tasks.store import copy_rows
from tasks.store.schema import Question, Trial

Kodcode = Callable[..., str]


@pytest.fixture
def kodcode(database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kodcode:
    """Runs a command on the database; what it prints."""
    monkeypatch.setenv("KODCODE_DATABASE_URL", database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("KODCODE_ARTIFACTS_URL", (tmp_path / "artifacts").as_uri())
    monkeypatch.setenv("KODCODE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        assert result.exit_code == 0
        return result.stdout

    return run


def test_status_says_why_a_shard_is_dead_and_retry_frees_its_rows(database: Engine, kodcode: Kodcode) -> None:
    with database.begin() as connection:
        connection.execute(
            text(
                "insert into kodcode.shards (stage, work, rows, wanted_by, status, attempts, reason) values "
                "('solve', '{}', '{Evol_00000001:0,Evol_00000002:0}', '{a}', 'dead', 3, '3 workers were lost'), "
                "('solve', '{}', '{Evol_00000003:0}', '{a}', 'open', 0, null), "
                "('convert', '{}', '{Evol_00000004_C}', '{a}', 'dead', 3, '3 workers were lost')"
            )
        )
    told = json.loads(kodcode("status", "--json"))
    (convert, solve) = told["stages"]
    assert (solve["open"], solve["dead"], solve["rows_left"]) == (1, 1, 1)
    assert (convert["dead"], convert["rows_left"], convert["eta_s"]) == (1, 0, None)
    assert {shard["reason"] for shard in told["shards"]} == {"3 workers were lost"}
    assert "kodcode retry" in kodcode("status")
    assert "2 rows of 1 dead" in kodcode("retry", str(told["shards"][0]["shard_id"]))
    assert "1 rows of 1 dead" in kodcode("retry")
    assert [stage["dead"] for stage in json.loads(kodcode("status", "--json"))["stages"]] == [0]


def test_status_shows_rows_leases_rates_what_was_spent_and_when_it_will_be_done(
    database: Engine, kodcode: Kodcode
) -> None:
    with database.begin() as connection:
        copy_rows(connection, Question, [
            {"question_id": f"Evol_{number:08d}", "subset": "Evol", "number": number, "provider": "openai",
             "model": "m", "prompt_index": number, "seed_ids": [], "text": "t", "status": "accepted"}
            for number in range(3)
        ])  # fmt: skip
        copy_rows(connection, Trial, [
            {"question_id": f"Evol_{number:08d}", "attempt": 0, "status": status, "reason": reason}
            for number, (status, reason) in enumerate((("accepted", None), ("rejected", "failed"), ("pending", None)))
        ])  # fmt: skip
        # 100 rows took the last two minutes, and there are 300 more: six minutes.
        connection.execute(
            text(
                "insert into kodcode.shards (stage, work, rows, wanted_by, status, remaining, claimed_at, "
                "finished_at) values ('solve', '{}', '{}', '{}', 'done', 100, now() - interval '2 minutes', now())"
            )
        )
        connection.execute(
            text(
                "insert into kodcode.shards (stage, work, rows, wanted_by, status, owner, claimed_at, lease_until) "
                "select 'solve', '{}', array_agg('row ' || n), '{a}', status, owner, now(), "
                "now() + cast(lease as interval) from generate_series(1, 100) n, "
                "(values ('leased', 'vm/boot/1:22:333', '40 seconds'), ('leased', 'vm/boot/1:22:334', '-5 seconds'), "
                "('open', null, null)) as had(status, owner, lease) group by status, owner, lease"
            )
        )
        connection.execute(
            text(
                "insert into kodcode.llm_spending (scope, spent_usd) "
                "values ('day:' || to_char(now() at time zone 'utc', 'YYYY-MM-DD'), 12.5)"
            )
        )
    told = json.loads(kodcode("status", "--json"))
    (solve,) = told["stages"]
    assert (solve["open"], solve["leased"], solve["lost"], solve["rows_left"]) == (1, 1, 1, 300)
    assert solve["rows_per_minute"] == pytest.approx(50, rel=0.2)
    assert solve["eta_s"] == pytest.approx(360, rel=0.2)
    assert told["spent_today_usd"] == 12.5
    assert {"stage": "trial", "pending": 1, "accepted": 1, "rejected": 1, "failed": 0} in told["rows"]
    leases = {shard["owner"]: (shard["status"], shard["lease_left_s"]) for shard in told["shards"]}
    assert leases["vm:333"][0] == "leased" and leases["vm:333"][1] == pytest.approx(40, abs=20)
    assert leases["vm:334"][0] == "lost" and leases["vm:334"][1] < 0
    shown = kodcode("status")
    for wanted in ("vm:333", "lost", "done in", "0:0", "spent today (UTC): $12.50"):
        assert wanted in shown
