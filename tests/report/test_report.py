"""What a report is about, where its numbers come from, and what it says where there is nothing to say."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from markupsafe import escape
from sqlalchemy import Engine, text

from tasks.report import NothingToReport, Selection, UnknownSelection, Unwritable, funnel_picture, make_report
from tasks.report.plane import plane
from tasks.report.selection import VIEWS, selected
from tasks.report.svg import dollars, powers
from tasks.report.triplets import Room, _share
from tasks.store import ArtifactStore
from tests.conftest import TEMPLATE, PostgresServer
from tests.conftest import _fresh as fresh
from tests.history.conftest import tell


@pytest.fixture(scope="module")
def told(postgres: PostgresServer) -> Iterator[Engine]:
    """A history whose numbers can be counted by hand; the tests share it."""
    for engine in fresh(postgres, TEMPLATE):
        yield tell(engine)


@pytest.fixture
def changeable(database: Engine) -> Engine:
    return tell(database)


def rows(engine: Engine, selection: Selection, query: str) -> list[tuple[Any, ...]]:
    with selected(engine, selection) as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def table(page: str, figure: str) -> list[list[str]]:
    """The cells of a figure's table, header first."""
    inside = page.split(f'id="figure-{figure}"')[1].split("</figure>", maxsplit=1)[0]
    return [
        [html.unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line)]
        for line in re.findall(r"<tr>(.*?)</tr>", inside)
    ]


def part(page: str, name: str) -> Any:
    packed = page.split(f'id="part-{name}">')[1].split("<", maxsplit=1)[0]
    return json.loads(gzip.decompress(base64.b64decode(packed)))


def test_the_whole_history_is_what_the_views_say(told: Engine, artifacts: ArtifactStore, tmp_path: Path) -> None:
    made = make_report(told, artifacts, Selection(), tmp_path / "report.html")
    page = made.path.read_text("utf-8")
    assert (made.questions, made.triplets, made.left_out) == (6, 5, 0)
    assert made.bytes == made.path.stat().st_size
    assert table(page, "funnel")[1][:8] == ["Evol", "6", "4", "1", "1", "0", "0", "2"]
    assert table(page, "pass-at-k")[1] == ["Evol", "28 %", "47 %", "88 %", "100 %", "3"]
    assert table(page, "difficulty")[1] == ["Evol", "0", "1 (33 %)", "1 (33 %)", "1 (33 %)"]
    # A price that is not known makes sums unknown.
    assert table(page, "cost")[1] == ["Evol", "2", "$0.60", "$3.90", "$0.75", "unknown", "unknown", "unknown"]
    assert table(page, "contamination")[1:] == [
        ["Evol", "HumanEval", "cosine", "2", "1", "1", "0.980", "0.950"],
        ["Evol", "HumanEval", "words", "1", "1", "0", "0.500", "0.300"],
    ]
    assert table(page, "throughput")[1] == ["2026-11-25 08:00", "11", "110", "$2.30", "8", "4", "0"]
    assert sum(int(line[3]) for line in table(page, "failures")[1:]) == 12


def test_the_list_and_the_details_hold_every_triplet(told: Engine, artifacts: ArtifactStore, tmp_path: Path) -> None:
    page = make_report(told, artifacts, Selection(), tmp_path / "report.html").path.read_text("utf-8")
    index, details = part(page, "index"), part(page, "0")["triplets"]
    assert index["id"] == [one["id"] for one in details]
    assert index["id"] == [f"Evol_{n}" for n in ("00000000_C", "00000000_I", "00000001_C", "00000001_I", "00000002_I")]
    # A conversion is as hard as its question.
    assert [index["names"]["difficulty"][n] for n in index["difficulty"]] == [
        "medium",
        "medium",
        "hard",
        "hard",
        "fail",
    ]
    instruct = details[1]
    assert [trial["passed"] for trial in instruct["trials"]] == [True] * 3 + [False] * 2
    assert instruct["duplicates"] == [{"copy": "Evol_00000003", "reason": "duplicate_minhash", "similarity": 0.9}]
    assert instruct["seeds"][0]["text"] == "fertile"
    assert [response["kept"] for response in instruct["responses"]] == [True, False]
    assert details[0]["tries"] == [{"reason": "leaks_solution", "message": None}, {"reason": None, "message": None}]
    assert details[0]["styles"] == [{"id": "Evol_00000000_I", "status": "accepted"}]


def test_the_solutions_of_trials_are_there_once_and_cut_where_the_page_is_full(
    changeable: Engine, artifacts: ArtifactStore, tmp_path: Path
) -> None:
    long = "x = 1\n" * 2_000
    with changeable.begin() as connection:
        for attempt, solution in enumerate(("pass", "pass", long, None)):
            connection.execute(
                text("update kodcode.trials set solution = :s where question_id = 'Evol_00000000' and attempt = :a"),
                {"s": solution, "a": attempt},
            )
    page = make_report(changeable, artifacts, Selection(), tmp_path / "report.html").path.read_text("utf-8")
    told = part(page, "0")
    solutions = told["solutions"]
    assert solutions[:3] == ["pass", f"{long[:8_000]}\n… 4,000 more characters", "s"]
    for one in told["triplets"][:2]:  # a conversion has the trials of its question
        assert [trial["solution"] for trial in one["trials"]] == [0, 0, 1, None, 2]
    assert len(set(solutions)) == len(solutions)
    assert "the solution of a trial at 8,000" in page
    with changeable.connect() as connection:
        assert Room.among(connection, []) == Room(solution=8_000, answer=12_000)
    assert [_share(texts, 1_000, 8_000) for texts in (10_000, 1_000_000)] == [4_000, 1_000]


def test_the_funnel_is_a_picture_by_itself(told: Engine) -> None:
    address = funnel_picture(told, ["Evol"])
    drawing = ElementTree.fromstring(base64.b64decode(address.removeprefix("data:image/svg+xml;base64,")))
    texts = [found.text for found in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Evol 6", "accepted 4", "medium 1"} <= set(texts)
    assert "--panel" in (drawing.findtext("{http://www.w3.org/2000/svg}style") or "")


@pytest.mark.parametrize("selection", [Selection(), Selection(run_id="night")])
def test_a_run_that_made_everything_is_the_whole_history(told: Engine, selection: Selection) -> None:
    for view in VIEWS:
        with told.connect() as connection:
            known = [tuple(row) for row in connection.execute(text(f"select * from kodcode.{view}"))]
        assert sorted(map(str, rows(told, selection, f"select * from {view}"))) == sorted(map(str, known)), view


def test_a_run_is_the_questions_that_it_worked_on_and_what_it_paid(changeable: Engine) -> None:
    with changeable.begin() as connection:
        connection.execute(text("insert into kodcode.runs (run_id, flow, parameters, code_version, host, pid, status)"
                                " values ('later', 'verify', '{}', 'c', 'h', 1, 'completed')"))  # fmt: skip
        connection.execute(text("update kodcode.trials set run_id = 'later' where question_id = 'Evol_00000001'"))
        connection.execute(text("update kodcode.llm_calls set run_id = 'later' where request_hash = 'solve10'"))
    later = Selection(run_id="later")
    assert rows(changeable, later, "select subset, proposed, verified, hard from v_funnel") == [("Evol", 1, 1, 1)]
    assert rows(changeable, later, "select stage, calls, cost_usd::float from v_cost") == [("solve", 1, 0.5)]


def test_a_release_is_its_rows_and_what_lies_behind_them(told: Engine) -> None:
    release = Selection(release_id=1)
    assert rows(told, release, "select proposed, accepted, duplicates, verified, complete from v_funnel") == [
        (1, 1, 0, 1, 1)
    ]
    assert rows(told, release, "select stage, sum(calls)::int from v_cost group by 1 order by 1") == [
        ("convert", 2), ("propose", 1), ("respond", 1), ("solve", 5),
    ]  # fmt: skip


@pytest.mark.parametrize("run", ["100%", "%s %(run_id)s %%", ":run_id", "\"{0}\""])
def test_a_run_of_any_name_is_found(changeable: Engine, artifacts: ArtifactStore, tmp_path: Path, run: str) -> None:
    with changeable.begin() as connection:
        connection.execute(text("insert into kodcode.runs (run_id, flow, parameters, code_version, host, pid, status)"
                                " values (:run, 'verify', '{}', 'c', 'h', 1, 'completed')"), {"run": run})  # fmt: skip
        connection.execute(
            text("update kodcode.trials set run_id = :run, model = :run, reason = case when reason is not null then"
                 " cast(:run as text) end where question_id = 'Evol_00000001'"), {"run": run},
        )  # fmt: skip
    page = make_report(changeable, artifacts, Selection(run_id=run), tmp_path / f"{run}.html").path.read_text("utf-8")
    assert f"<h1>Run {escape(run)}</h1>" in page
    with pytest.raises(UnknownSelection, match=re.escape(f"{run}?")):
        make_report(changeable, artifacts, Selection(run_id=f"{run}?"), tmp_path / "report.html")


def test_a_report_changes_nothing(told: Engine, artifacts: ArtifactStore, tmp_path: Path) -> None:
    with told.connect() as connection:
        before = connection.execute(text("select relname from pg_class order by 1")).all()
    make_report(told, artifacts, Selection(release_id=1), tmp_path / "report.html")
    with told.connect() as connection:
        assert connection.execute(text("select relname from pg_class order by 1")).all() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("selection", "says"),
    [(Selection(run_id="nobody"), "no run 'nobody'"), (Selection(release_id=9), "no release 9")],
)
def test_what_is_not_known_is_named(
    told: Engine, artifacts: ArtifactStore, tmp_path: Path, selection: Selection, says: str
) -> None:
    with pytest.raises(UnknownSelection, match=says):
        make_report(told, artifacts, selection, tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


def test_an_empty_database_is_no_page(database: Engine, artifacts: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(NothingToReport, match="kodcode demo"):
        make_report(database, artifacts, Selection(), tmp_path / "report.html")


def test_what_cannot_be_written_is_said_before_the_work(
    told: Engine, artifacts: ArtifactStore, tmp_path: Path
) -> None:
    for place in (tmp_path, tmp_path / "missing" / "report.html"):
        with pytest.raises(Unwritable, match=str(place)):
            make_report(told, artifacts, Selection(), place)


def test_a_page_that_fails_leaves_the_one_before(changeable: Engine, artifacts: ArtifactStore, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("before")
    with changeable.begin() as connection:
        connection.execute(text("drop view kodcode.v_responses"))  # found missing when the details are written
    with pytest.raises(Exception, match="v_responses"):
        make_report(changeable, artifacts, Selection(), path)
    assert path.read_text() == "before"
    assert [found.name for found in tmp_path.iterdir()] == ["report.html"]


def test_a_map_keeps_groups_together_and_is_the_same_every_time() -> None:
    draw = np.random.default_rng(1)
    centres = draw.normal(size=(5, 64))
    vectors = (np.repeat(centres, 40, axis=0) + 0.3 * draw.normal(size=(200, 64))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    placed = plane(vectors)
    assert placed.min() >= 0
    assert placed.max() <= 1
    assert np.array_equal(placed, plane(vectors))
    groups = placed.reshape(5, 40, 2)
    spread = max(np.linalg.norm(group - group.mean(axis=0), axis=1).max() for group in groups)
    middles = groups.mean(axis=1)
    apart = min(np.linalg.norm(middles[a] - middles[b]) for a in range(5) for b in range(a))
    assert apart > 2 * spread


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_a_map_of_few_or_equal_vectors_is_a_map(count: int) -> None:
    placed = plane(np.tile(np.eye(1, 8, dtype=np.float32), (count, 1)))
    assert placed.shape == (count, 2)
    assert np.isfinite(placed).all()


def test_numbers_are_written_for_people() -> None:
    written = [dollars(usd) for usd in (None, 0, 0.00042, 0.035, 0.5, 12.3, 4321)]
    assert written == ["unknown", "$0", "$0.00042", "$0.035", "$0.50", "$12.30", "$4,321"]
    assert [label for _, label in powers(3, 800, 0, 1).ticks] == [
        "2",
        "5",
        "10",
        "20",
        "50",
        "100",
        "200",
        "500",
        "1,000",
    ]
