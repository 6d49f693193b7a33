"""The demo as a newcomer runs it: nothing set, servers of its own, a second time, and a look around."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.settings import REPOSITORY
from tasks.subsets import SUBSETS
from tests.hub.fake_hub import TOKEN, fake_hub

pytestmark = pytest.mark.slow
KEYS = {
    "proposed",
    "duplicates",
    "contaminated",
    "verified",
    "easy",
    "medium",
    "hard",
    "failed",
    "complete",
    "online_judge",
    "responses_kept",
    "cost_usd",
}
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """The command line in an empty HOME, without any setting."""
    home = tmp_path_factory.mktemp("home")
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "COLUMNS": "160"}

    def kodcode(*arguments: str, status: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "flows.cli", *arguments],
            env=environment | more,
            capture_output=True,
            text=True,
            cwd=home,
            timeout=480,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == status, f"exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
        return done

    yield kodcode
    kodcode("down")


@pytest.fixture(scope="module")
def demo(newcomer: Command) -> dict[str, Any]:
    done = newcomer("demo", "--json")
    assert "Traceback" not in done.stderr
    return dict(json.loads(done.stdout))


def test_demo_fills_every_subset_through_every_stage(demo: dict[str, Any]) -> None:
    subsets = demo["subsets"]
    assert list(subsets) == list(SUBSETS)
    assert all(set(row) == KEYS for row in subsets.values())
    assert all(row["proposed"] == 3 for row in subsets.values())
    assert all(row["verified"] == row["easy"] + row["medium"] + row["hard"] for row in subsets.values())
    total = {key: sum(row[key] for row in subsets.values()) for key in KEYS}
    assert all(total[key] > 0 for key in KEYS - {"cost_usd"}), total
    assert total["cost_usd"] == 0
    assert all(row["verified"] > 0 and row["responses_kept"] > 0 for row in subsets.values())


def test_released_parquet_holds_the_verified_triplets(demo: dict[str, Any]) -> None:
    frames = [pl.read_parquet(path) for path in Path(demo["release"]["path"]).rglob("*.parquet")]
    rows = sum(len(frame) for frame in frames)
    assert rows == demo["release"]["rows"]
    assert rows == sum(row["verified"] + row["complete"] + row["online_judge"] for row in demo["subsets"].values())


def test_second_demo_gives_the_same_and_calls_nobody(newcomer: Command, demo: dict[str, Any]) -> None:
    calls = newcomer("sql", "--json", "select count(*), max(created_at)::text from llm_calls").stdout
    again = json.loads(newcomer("demo", "--json").stdout)
    assert again == demo
    assert newcomer("sql", "--json", "select count(*), max(created_at)::text from llm_calls").stdout == calls


def test_audit_of_the_demo_is_clean(newcomer: Command, demo: dict[str, Any]) -> None:
    report = json.loads(newcomer("audit", "--json").stdout)
    assert report["clean"]
    assert report["offenders"] == []
    assert report["rows"]["trial"] > 0


def test_audit_names_the_row_that_broke_a_law(newcomer: Command, demo: dict[str, Any]) -> None:
    status = json.loads(newcomer("status", "--json").stdout)
    engine_url = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from tasks.store import services; "
            "print(services.up(Path(sys.argv[1]), frozenset({'postgres'})).database_url)",
            status["data_dir"],
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    from sqlalchemy import text

    from tasks.store import connect

    engine = connect(engine_url)
    with engine.begin() as connection:
        broken = connection.scalar(
            text(
                "update kodcode.trials set status = 'accepted', reason = null where (question_id, attempt) = "
                "(select question_id, attempt from kodcode.trials where verdict = 'failed' order by 1, 2 limit 1) "
                "returning question_id || ':' || attempt"
            )
        )
    report = json.loads(newcomer("audit", "--json", status=1).stdout)
    assert broken in {offender["id"] for offender in report["offenders"]}
    with engine.begin() as connection:
        connection.execute(
            text(
                "update kodcode.trials set status = 'rejected', reason = 'failed' "
                "where question_id || ':' || attempt = :broken"
            ),
            {"broken": broken},
        )
    engine.dispose()
    newcomer("audit")


def test_why_tells_the_life_of_a_row(newcomer: Command, demo: dict[str, Any]) -> None:
    triplet = json.loads(
        newcomer(
            "sql",
            "--json",
            "select triplet_id from triplets where style = 'online_judge' and status = 'accepted' limit 1",
        ).stdout
    )[0]["triplet_id"]
    story = json.loads(newcomer("why", triplet, "--json").stdout)
    assert story["question"]["status"] == "accepted"
    assert len(story["trials"]) >= 3
    assert story["asked"][0]["model"] == "offline"
    assert triplet in {item["triplet_id"] for item in story["releases"]}
    assert triplet in newcomer("why", triplet).stdout


def test_why_names_what_a_duplicate_collided_with(newcomer: Command, demo: dict[str, Any]) -> None:
    row = json.loads(
        newcomer(
            "sql", "--json", "select question_id, duplicate_of from questions where duplicate_of is not null limit 1"
        ).stdout
    )[0]
    assert row["duplicate_of"] in newcomer("why", row["question_id"]).stdout


def test_sql_prints_tables_json_and_csv_and_cannot_write(newcomer: Command, demo: dict[str, Any]) -> None:
    assert "Leetcode" in newcomer("sql", "select subset, proposed from v_funnel").stdout
    rows = list(csv.DictReader(io.StringIO(newcomer("sql", "--csv", "select * from v_funnel order by 1").stdout)))
    assert len(rows) == 12
    assert newcomer("sql", "--json", "select '50%' as a, 'x:y' as b").stdout == '[{"a": "50%", "b": "x:y"}]\n'
    refused = newcomer("sql", "delete from responses", status=2)
    assert "read-only" in refused.stderr


def test_report_shows_the_demo(newcomer: Command, demo: dict[str, Any], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    made = json.loads(newcomer("report", "--out", str(page), "--json").stdout)
    assert (made["path"], made["questions"], made["left_out"]) == (str(page), 36, 0)
    whole = page.read_text("utf-8")
    assert whole.count("<svg ") == 11  # all but dollars: the demo costs nothing
    assert "Nothing was paid" in whole
    released = json.loads(newcomer("report", "--release", "1", "--out", str(page), "--json").stdout)
    assert 0 < released["triplets"] < made["triplets"]
    assert "no release 7" in newcomer("report", "--release", "7", status=2).stderr
    assert "exclude each other" in newcomer("report", "--release", "1", "--run", "x", status=2).stderr


def run_flow(newcomer: Command, call: str, artifact: str, **more: str) -> tuple[dict[str, Any], str]:
    """What a flow of the demo's database returns, and the artifact that it leaves."""
    folder = json.loads(newcomer("status", "--json").stdout)["data_dir"]
    name = call.partition("(")[0]
    script = (
        "import asyncio, json, dataclasses, sys; from pathlib import Path; from tasks.backends import start_services;"
        "from tasks.settings import load_settings; start_services(load_settings(data_dir=Path(sys.argv[1])));"
        f"from flows.{name} import {name}; returned = asyncio.run({call});"
        f"from prefect.artifacts import Artifact; left = Artifact.get({artifact!r});"
        "print(json.dumps([dataclasses.asdict(returned), left.data], default=str))"
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(Path(folder).parent), "KODCODE_DATA_DIR": folder}
    done = subprocess.run(
        [sys.executable, "-c", script, folder], capture_output=True, text=True, timeout=300, check=False,
        env=environment | more, cwd=REPOSITORY,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    returned, left = json.loads(done.stdout.splitlines()[-1])
    return returned, left


def test_the_flow_report_stores_the_page_and_says_how_to_open_it(newcomer: Command, demo: dict[str, Any]) -> None:
    stored, told = run_flow(newcomer, "report(release=1)", "report")
    assert told.startswith("# Release 1\n")
    assert f"xdg-open {stored['path']} " in told
    assert "kodcode report --release 1 " in told
    assert Path(stored["path"]).as_uri() == stored["url"]
    assert "<h1>Release 1</h1>" in Path(stored["path"]).read_text("utf-8")


def test_the_flow_push_links_the_dataset(newcomer: Command, demo: dict[str, Any]) -> None:
    with fake_hub() as hub:
        more = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}
        pushed, link = run_flow(newcomer, "push('lab/demo')", "push", **more)
        assert pushed["commit"] == hub.repos["lab/demo"].head
    assert link == f"[lab/demo]({pushed['url']})"
    assert pushed["url"].startswith(hub.url)


def test_psql_opens_on_the_tables(newcomer: Command, demo: dict[str, Any]) -> None:
    assert newcomer("psql", "-At", "-c", "select count(*) from questions").stdout == "36\n"


def test_too_many_canned_questions_are_refused_with_the_way_out(newcomer: Command) -> None:
    assert "OPENAI_API_KEY" in newcomer("demo", "--questions-per-subset", "1000", status=2).stderr


def test_what_is_said_is_lines_of_json_where_asked_for(demo: dict[str, Any], newcomer: Command) -> None:
    lines = newcomer("status", KODCODE_LOG="json").stderr.splitlines()
    assert "looking at the demo's data" in json.loads(lines[0])["message"]
    assert all(json.loads(line)["level"] for line in lines)
