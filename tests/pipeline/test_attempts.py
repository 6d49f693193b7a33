"""The attempt policy end to end: two models behind a real server, budgets, and a kill -9 in the middle."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import insert

from tasks.store import migrate
from tasks.store.schema import Question
from tests.llm.fault_server import Reply, Seen, chat, fault_server
from tests.pipeline.conftest import Workplace, kill, wait_until

INITIAL, ATTEMPTS = 2, 6
# Text -> the models that solve it. Of `steady`, everything passes at once; nobody solves `never`.
SOLVED_BY = {"steady": {"cheap", "strong"}, "deep": {"strong"}, "never": set(), "slow": {"cheap", "strong"}}
QUESTIONS = [
    ("Leetcode", "steady"), ("Leetcode", "deep"), ("Leetcode", "never"), ("Leetcode", "slow"),
    ("Apps", "never"), ("Apps", "never"), ("Apps", "never"), ("Apps", "never"),
    ("Taco", "never"),
]  # fmt: skip
ATTEMPTS_OF_APPS, USD_OF_TACO = 7, 4
PARAMETERS = {
    "subsets": ["Leetcode", "Apps", "Taco"], "initial": INITIAL, "attempts": ATTEMPTS, "models": ["cheap", "strong"],
    "budgets": {"Apps": {"attempts": ATTEMPTS_OF_APPS}, "Taco": {"usd": USD_OF_TACO}},
}  # fmt: skip
VERIFY = "import asyncio, json, sys; from flows.verify import verify; asyncio.run(verify(**json.loads(sys.argv[1])))"
ANSWER = """<|Solution Begin|>
```python
def keep(values, limit):
    return [value for value in values if value {} limit]
```
<|Solution End|>
<|Test Begin|>
```python
from solution import keep

def test_keeps_what_is_small_enough():
    assert keep([3, 1, 9], 5) == [3, 1]
    assert keep([5], 5) == [5]
```
<|Test End|>"""


def answer(seen: Seen) -> Reply:
    kind = next(kind for kind in SOLVED_BY if f"kind {kind}" in seen.prompt)
    return chat(ANSWER.format("<=" if seen.body["model"] in SOLVED_BY[kind] else "<"))


@pytest.mark.slow
def test_unsolved_questions_go_to_the_stronger_model_within_budgets_and_a_kill_costs_only_what_was_in_flight(
    workplace: Workplace,
) -> None:
    migrate(workplace.engine)
    with workplace.engine.begin() as connection:
        connection.execute(insert(Question), [
            {"question_id": f"{subset}_{number:08d}", "subset": subset, "number": number, "provider": "openai",
             "model": "cheap", "prompt_index": number, "seed_ids": [], "status": "accepted",
             "text": f"Question {number} of kind {kind}: keep the values up to a limit."}
            for number, (subset, kind) in enumerate(QUESTIONS)
        ])  # fmt: skip
    with fault_server() as server:
        teacher = {
            "provider": "openai", "model": "cheap", "base_url": server.url,
            "prices": ["cheap=100000:100000", "strong=100000:100000"],  # of 10 tokens: one dollar a call
        }  # fmt: skip
        server.decide = lambda seen: Reply(hang=True) if "kind slow" in seen.prompt else answer(seen)
        process = started(workplace, PARAMETERS | {"teacher": teacher})
        # Executions go on while answers are awaited: everything else gets its verdict beside a request that hangs.
        waiting = "select count(*) from kodcode.trials join kodcode.questions using (question_id) " \
            "where text not like '%kind slow%' and verdict is null"  # fmt: skip
        wait_until(
            lambda: process.poll() is not None or (server.counts.total() > 0 and not workplace.rows(waiting)[0][0]),
            "the verdicts of all answers that came",
        )
        assert process.poll() is None
        kill(process)
        known = "select question_id, attempt, request_hash, model, verdict, created_at from kodcode.trials "
        before = set(map(tuple, workplace.rows(known + "where verdict is not null")))
        asked_before = server.counts

        server.decide = answer
        process = started(workplace, PARAMETERS | {"teacher": teacher})
        _, said = process.communicate(timeout=240)
        assert process.returncode == 0, said[-3000:]

        assert before <= set(map(tuple, workplace.rows(known)))
        (calls,) = workplace.rows("select count(*) from kodcode.llm_calls")[0]
        in_flight = sum(count for prompt, count in asked_before.items() if "kind slow" in prompt)
        assert server.counts.total() == calls + in_flight

    solvers: dict[str, list[str]] = {}
    for row in workplace.rows("select question_id, model, tier from kodcode.trials order by question_id, attempt"):
        assert row.model == ("cheap", "strong")[row.tier]
        solvers.setdefault(row.question_id, []).append(row.model)
    assert set(solvers["Leetcode_00000000"]) == {"cheap"}
    assert solvers["Leetcode_00000001"] == ["cheap", "cheap", "strong"]
    assert solvers["Leetcode_00000002"] == ["cheap"] * INITIAL + ["strong"] * (ATTEMPTS - INITIAL)
    assert sum(len(models) for key, models in solvers.items() if key.startswith("Apps")) == ATTEMPTS_OF_APPS
    assert len(solvers["Taco_00000008"]) == USD_OF_TACO
    labels = Counter(row.difficulty for row in workplace.rows("select difficulty from kodcode.triplets"))
    assert labels["fail"] >= 2
    assert labels["medium"] == 1  # `deep`: one of three


def started(workplace: Workplace, parameters: dict[str, Any]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", VERIFY, json.dumps(parameters)],
        env=workplace.environment | {"OPENAI_API_KEY": "none", "KODCODE_TRIAL_TIMEOUT_S": "5"},
        text=True, cwd=workplace.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
