"""The Leetcode subset against recorded model output: every recorded verdict and coverage comes out again."""

from __future__ import annotations

import ast
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.formats import FORMATS
from tasks.store import open_artifacts
from tests.pipeline.conftest import Replay, Workplace, recorded

RUN = (
    "run",
    "--subset",
    "leetcode",
    "--questions",
    "100",
    "--attempts",
    "3",
    "--reasoning-model",
    "deepseek-r1",
    "--price",
    "deepseek-r1=0.55:2.19",
    "--timeout",
    "10",
    "--json",
)
EXPECTED = {"Pass": {"passed"}, "Fail - Timed Out": {"timed_out"}, "Fail": {"failed", "error", "no_tests", "crashed"}}


def squash(value: str) -> str:
    return " ".join(value.split())


def agrees(result: dict[str, Any] | None, verdict: str | None, coverage: float | None) -> bool:
    """Whether a recorded result says what our verdict says; coverage counts where the pair passed."""
    if result is None:
        return verdict is None
    if verdict not in EXPECTED[result["result"]]:
        return False
    return verdict != "passed" or (coverage is not None and round(coverage) == round(result["coverage"]))


@pytest.fixture
def finished(workplace: Workplace, replay: Callable[..., Replay]) -> tuple[Workplace, Replay, dict[str, Any]]:
    server = replay()
    result = workplace.kodcode(*RUN, "--base-url", f"{server.url}/v1", OPENAI_API_KEY="replay")
    return workplace, server, json.loads(result.stdout)


@pytest.mark.slow
def test_recorded_leetcode_run_is_reproduced_and_repeats_for_nothing(
    finished: tuple[Workplace, Replay, dict[str, Any]],
) -> None:
    workplace, server, outcome = finished
    by_answer = {squash(row["response"]): row["recorded"] for row in recorded("solves")}
    by_question = defaultdict(list)
    for row in recorded("solves"):
        by_question[squash(row["question"])].append(row)

    # Every recorded question was proposed; what screening rejected is named with its reason and judged by `check`.
    questions = {
        squash(row.text): row for row in workplace.rows("select * from kodcode.questions where text is not null")
    }
    assert set(questions) == set(by_question)
    rejected = {text for text, row in questions.items() if row.status == "rejected"}
    assert all(questions[text].reason and questions[text].duplicate_of for text in rejected)

    # Every answer in the ledger has the verdict that was recorded for it.
    artifacts = open_artifacts(workplace.environment["KODCODE_ARTIFACTS_URL"], None, None)
    judged, disagreements = 0, []
    with workplace.engine.connect() as connection:
        for row in workplace.rows(
            "select t.*, c.answer_key from kodcode.trials t join kodcode.llm_calls c using (request_hash)"
        ):
            answer = squash(artifacts.get_text(connection, row.answer_key))
            judged += 1
            if not agrees(by_answer[answer], row.verdict, row.coverage):
                disagreements.append((row.question_id, row.attempt, row.verdict, row.coverage, by_answer[answer]))
    assert disagreements == []
    # Each pass was confirmed; some of them could be with solution and test in two processes.
    told = {row.apart for row in workplace.rows("select apart from kodcode.trials where status = 'accepted'")}
    assert told == {True, False}
    left = [row for text in rejected for row in by_question[text] if row["recorded"]]
    assert check_disagreements(workplace, left) == []
    assert judged + sum(len(by_question[text]) for text in rejected) == 300

    # The triplets are those that follow from the recorded results.
    for text, row in questions.items():
        if text in rejected:
            continue
        results = [entry["recorded"] for entry in by_question[text]]
        passes = sum(1 for result in results if result and result["result"] == "Pass")
        difficulty = "fail" if not passes else {1: "medium", 2: "easy", 3: "easy"}[passes]
        triplet = workplace.rows(
            f"select * from kodcode.triplets where question_id = '{row.question_id}' and style = 'instruct'"
        )[0]
        assert (triplet.pass_count, triplet.difficulty, triplet.status) == (
            passes,
            difficulty,
            "accepted" if passes else "rejected",
        )
        if passes:
            best = max(r["coverage"] for r in results if r and r["result"] == "Pass")
            assert round(triplet.coverage) == best

    views_say_what_was_recorded(
        workplace, {text: [entry["recorded"] for entry in by_question[text]] for text in questions}, rejected
    )

    # Conversions hold no solution, responses that were kept passed, and all of it was released.
    for triplet in workplace.rows("select * from kodcode.triplets where style = 'complete' and status = 'accepted'"):
        bodies = [node for node in ast.walk(ast.parse(triplet.question)) if isinstance(node, ast.Return)]
        assert bodies == []
    responses = workplace.rows("select * from kodcode.responses")
    assert responses
    assert {row.model for row in responses} == {"deepseek-r1"}
    assert any(row.status == "accepted" for row in responses)
    assert all((row.verdict == "passed") == (row.status == "accepted") for row in responses)
    counts = outcome["subsets"]["Leetcode"]
    frames = [pl.read_parquet(path) for path in Path(outcome["release"]["path"]).rglob("*.parquet")]
    assert sum(len(frame) for frame in frames) == outcome["release"]["rows"]
    assert outcome["release"]["rows"] == counts["verified"] + counts["complete"] + counts["online_judge"]
    workplace.kodcode("audit")

    # Again: no request, no execution, no row changed.
    before, stats = workplace.tables(), server.stats()
    stamps = workplace.rows("select max(updated_at) from kodcode.trials")
    workplace.kodcode(*RUN, "--base-url", f"{server.url}/v1", OPENAI_API_KEY="replay")
    assert server.stats() == stats
    assert workplace.tables() == before
    assert workplace.rows("select max(updated_at) from kodcode.trials") == stamps


def views_say_what_was_recorded(
    workplace: Workplace, results: dict[str, list[dict[str, Any] | None]], rejected: set[str]
) -> None:
    """The views against the recorded results, three of each question, counted here."""
    passes = {
        text: sum(result is not None and result["result"] == "Pass" for result in three)
        for text, three in results.items()
        if text not in rejected
    }
    counts = Counter(passes.values())
    accepted, verified = len(passes), len(passes) - counts[0]
    made = 3 * accepted

    (funnel,) = workplace.rows(
        "select proposed, duplicates, accepted, verified, easy, medium, hard, failed from kodcode.v_funnel"
    )
    easy, medium = counts[3] + counts[2], counts[1]  # two of three and more; one of three
    assert funnel == (len(results), len(rejected), accepted, verified, easy, medium, 0, counts[0])

    difficulty = workplace.rows("select difficulty, questions, share from kodcode.v_difficulty")
    expected = {"easy": easy, "medium": medium, "fail": counts[0]}
    assert {row.difficulty: row.questions for row in difficulty} == {name: n for name, n in expected.items() if n}
    assert sum(row.share for row in difficulty) == pytest.approx(1)

    # k of three attempts miss all c passes in C(3-c, k) of C(3, k) ways.
    missed = {k: sum(math.comb(3 - c, k) * count for c, count in counts.items()) / math.comb(3, k) for k in (1, 2, 3)}
    assert workplace.rows("select k, questions, pass_at_k from kodcode.v_pass_at_k order by k") == [
        (k, accepted, pytest.approx(1 - missed[k] / accepted)) for k in (1, 2, 3)
    ]

    passed = sum(passes.values())
    coverages = [
        result["coverage"] for text in passes for result in results[text] if result and result["result"] == "Pass"
    ]
    (compared,) = workplace.rows("select trials, passes, pass_rate, mean_coverage from kodcode.v_model_comparison")
    assert compared[:3] == (made, passed, pytest.approx(passed / made))
    assert compared.mean_coverage == pytest.approx(sum(coverages) / len(coverages), abs=0.5)  # whole percents

    (failures,) = workplace.rows("select sum(rows) from kodcode.v_failures where stage = 'trial'")
    assert failures == (made - passed,)
    stages = workplace.rows("select status, sum(rows) from kodcode.v_stages where stage = 'trial' group by 1")
    assert {row.status: row.sum for row in stages} == {"accepted": passed, "rejected": made - passed}
    (throughput,) = workplace.rows("select sum(trials), sum(passes), sum(verified) from kodcode.v_throughput")
    assert throughput == (made, passed, verified)
    solved = workplace.rows(
        "select calls, verified, usd_per_verified * verified as usd, cost_usd"
        " from kodcode.v_cost where stage = 'solve'"
    )
    (versions,) = workplace.rows(
        "select sum(rows) as rows, sum(accepted) as accepted, sum(cost_usd) as cost_usd"
        " from kodcode.v_prompt_versions where stage = 'solve'"
    )
    assert [row[:3] for row in solved] == [(made, verified, pytest.approx(float(solved[0].cost_usd)))]
    assert versions == (made, passed, solved[0].cost_usd)


@pytest.mark.slow
def test_the_recorded_set_is_released_and_proven_in_every_format(
    finished: tuple[Workplace, Replay, dict[str, Any]],
) -> None:
    workplace = finished[0]
    asked = [option for name in FORMATS for option in ("--format", name)]
    released = json.loads(workplace.kodcode("release", *asked, "--prove-all", "--json").stdout)
    shards = workplace.rows(
        "select files, proven from kodcode.release_parts join kodcode.release_shards using (shard_id)"
        " where release_id = (select max(release_id) from kodcode.releases)"
    )
    rows, proven = Counter[str](), Counter[str]()
    for shard in shards:
        rows.update({name: sum(f["rows"] for f in shard.files if f["format"] == name) for name in FORMATS})
        proven.update(shard.proven)
    # Programs alone are what NeMo Gym's verifier runs, and the recorded model was asked for none.
    made = {name for name in FORMATS if rows[name]}
    assert made == set(FORMATS) - {"nemo-gym"}, rows
    assert rows["kodcode-v1"] == released["rows"]
    assert set(proven) == {name for name in made if FORMATS[name].proof is not None}
    assert all(count > 0 for count in proven.values()), proven
    workplace.kodcode("audit")


@pytest.mark.slow
def test_the_release_comes_back_by_import_with_the_same_ids_and_verdicts(
    finished: tuple[Workplace, Replay, dict[str, Any]], new_workplace: Callable[[], Workplace]
) -> None:
    first, second = finished[0], new_workplace()
    second.kodcode("import", finished[2]["release"]["path"], KODCODE_TRIAL_TIMEOUT_S="10")
    triplets = (
        "select triplet_id, status, question, solution, test, difficulty, pass_sequence, chosen_attempt"
        " from kodcode.triplets where status = 'accepted' order by triplet_id"
    )
    assert second.rows(triplets) == first.rows(triplets)
    # The layout does not tell a truncated answer from one without code; neither was executed.
    trials = (
        "select question_id, attempt, t.status, verdict, outcomes, t.apart, t.trust from kodcode.trials t"
        " join kodcode.triplets i using (question_id) where i.style = 'instruct' and i.status = 'accepted'"
        " order by question_id, attempt"
    )
    assert second.rows(trials) == first.rows(trials)
    second.kodcode("audit")


def check_disagreements(workplace: Workplace, rows: list[dict[str, Any]]) -> list[Any]:
    """Judge recorded answers through `kodcode check` and return where it does not say what was recorded."""
    from tasks.trials import SolveAnswer, parse_solve

    pairs, expected = [], {}
    for row in rows:
        parsed = parse_solve(row["response"], "stop")
        assert isinstance(parsed, SolveAnswer)
        name = f"{row['prompt_id']}:{row['trial']}"
        expected[name] = row["recorded"]
        pairs.append(json.dumps({"id": name, "solution": parsed.solution, "test": parsed.test}))
    if not pairs:
        return []
    source, out = workplace.folder / "pairs.jsonl", workplace.folder / "results.jsonl"
    source.write_text("\n".join(pairs) + "\n")
    workplace.kodcode("check", str(source), "--out", str(out), "--timeout", "10")
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(found) == len(pairs)
    return [row for row in found if not agrees(expected[row["id"]], row["verdict"], row["coverage"])]
