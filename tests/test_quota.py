"""The quota: the cheapest step at every standing, and a loop that ends at the target or where nothing more comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from flows.cli.errors import UsageError
from flows.cli.pipeline import run as run_command
from flows.quota import reach
from tasks.backends import Backends
from tasks.options import Models, SolveBudget, SubsetName
from tasks.quota import Standing, Step, next_step, plan_attempts, standing
from tasks.run import Run
from tasks.settings import load_settings
from tasks.store import ArtifactStore
from tasks.work import Silent

MODELS = Models(
    provider="openai", teacher="teacher", base_url=None, base_model=None, reasoner="teacher", max_concurrency=1
)
# 100 proposals for a cent each, 80 accepted, 60 verified by 3 attempts at 2 cents.
STANDING = Standing(
    verified=60, proposed=100, accepted=80, under_way=0, planned=100, unsolved=20, promise=0.1, attempted=240,
    proposal_cost=0.01, attempt_cost=0.02,
)  # fmt: skip


def test_a_target_that_is_met_needs_no_step() -> None:
    assert next_step(STANDING, 60, 3) is None
    assert next_step(replace(STANDING, under_way=5), 50, 3) is None


def test_what_is_under_way_is_finished_before_anything_is_asked() -> None:
    assert next_step(replace(STANDING, under_way=1), 70, 3) == Step("finish")


def test_without_a_history_as_many_are_proposed_as_are_missing() -> None:
    nothing = Standing(0, 0, 0, 0, 0, 0, 0.3, 0, 0.0, 0.0)
    assert next_step(nothing, 50, 3) == Step("propose", 50)


def test_the_cheaper_of_a_proposal_and_a_further_attempt_is_chosen() -> None:
    # A proposal: (0.01 + 0.8 * 3 * 0.02) / 0.6 = 0.097 a verified question; an attempt: 0.02 / 0.1 = 0.2.
    assert next_step(STANDING, 70, 3) == Step("propose", 17)
    # Where nearly all proposals are duplicates, or cost much: more than 0.2, so a further attempt.
    repeated = replace(STANDING, verified=6, accepted=8, unsolved=2)
    assert next_step(repeated, 10, 3) == Step("attempt", 2)
    assert next_step(replace(STANDING, proposal_cost=0.2), 61, 3) == Step("attempt", 10)
    # Many failures make the next attempt hopeless, and without unsolved questions there is none to make.
    assert next_step(replace(repeated, promise=0.01), 10, 3) == Step("propose", 58)
    assert next_step(replace(repeated, unsolved=0), 10, 3) == Step("propose", 58)


def test_a_step_at_most_doubles_what_there_is() -> None:
    poor = replace(STANDING, verified=0, accepted=0, unsolved=0, proposed=40, planned=40)
    assert next_step(poor, 20, 3) == Step("propose", 60)


def test_two_answers_to_how_many_are_refused() -> None:
    with pytest.raises(UsageError, match="give one of them"):
        run_command(questions=5, target_verified=5)


class Teller(Silent):
    """Keeps the remarks of a run."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture
def run(database: Engine, artifacts: ArtifactStore) -> Run:
    return Run("run", Backends(load_settings(), database, artifacts, None), progress=Teller())


class Teacher:
    """Writes what proposals and attempts leave in the database; place n becomes what `fates(n)` says: a word a
    question, `verified`, `duplicate`, or the number of attempts after which one passes."""

    def __init__(self, engine: Engine, fates: Callable[[int], str | int]) -> None:
        self.engine = engine
        self.fates = fates
        self.steps: list[str] = []

    async def propose(self, places: dict[SubsetName, int]) -> None:
        (count,) = places.values()
        self.steps.append(f"propose {count}")
        with self.engine.begin() as connection:
            for n in range(count):
                duplicate = self.fates(n) == "duplicate"
                connection.execute(
                    text(
                        "insert into kodcode.questions (question_id, subset, number, provider, model, prompt_index,"
                        " seed_ids, text, status, reason) values (:id, 'Evol', :n, 'openai', 'teacher', :n, '{}', 't',"
                        " :status, :reason) on conflict do nothing"
                    ),
                    {
                        "id": f"Evol_{n:08d}", "n": n, "status": "rejected" if duplicate else "accepted",
                        "reason": "duplicate_exact" if duplicate else None,
                    },
                )  # fmt: skip

    async def verify(self, names: Sequence[SubsetName]) -> None:
        self.steps.append("verify")
        with self.engine.begin() as connection:
            connection.execute(
                text("insert into kodcode.trials (question_id, attempt) select question_id, 0"
                     " from kodcode.questions where status = 'accepted' on conflict do nothing")
            )  # fmt: skip
            rows = connection.execute(
                text("select t.*, number from kodcode.trials t join kodcode.questions using (question_id)"
                     " where t.status = 'pending'")
            ).all()  # fmt: skip
            for row in rows:
                fate = self.fates(row.number)
                passed = fate == "verified" or fate == row.attempt + 1
                values = {
                    "id": row.question_id, "attempt": row.attempt, "count": row.attempt + 1,
                    "trial": "accepted" if passed else "rejected", "status": "accepted" if passed else "rejected",
                    "reason": None if passed else "failed", "difficulty": "easy" if passed else "fail",
                    "triplet": f"{row.question_id}_I",
                }  # fmt: skip
                connection.execute(
                    text("update kodcode.trials set status = :trial, reason = :reason where question_id = :id"
                         " and attempt = :attempt"), values,
                )  # fmt: skip
                connection.execute(
                    text("insert into kodcode.triplets (triplet_id, question_id, subset, style, status, reason,"
                         " question, solution, test, trial_count, difficulty) values (:triplet, :id, 'Evol',"
                         " 'instruct', :status, :reason, 'q', 's', 't', :count, :difficulty) on conflict (triplet_id)"
                         " do update set status = excluded.status, reason = excluded.reason,"
                         " trial_count = excluded.trial_count, difficulty = excluded.difficulty"), values,
                )  # fmt: skip


def climb(run: Run, teacher: Teacher, target: int, solvers: Sequence[str] = (), most: int | None = None) -> Standing:
    budgets: dict[SubsetName, SolveBudget] = {} if most is None else {"Evol": SolveBudget(attempts=most)}
    asyncio.run(reach(run, ["Evol"], target, 1, MODELS, solvers, budgets, teacher.propose, teacher.verify))
    return standing(run.engine, "Evol", MODELS)


def test_proposals_go_on_until_so_many_are_verified_and_then_stop(run: Run) -> None:
    teacher = Teacher(run.engine, lambda n: "duplicate" if n % 3 == 0 else "verified")
    reached = climb(run, teacher, 10)
    assert 10 <= reached.verified <= 14
    assert teacher.steps[0] == "propose 10"
    assert reached.under_way == 0
    steps = len(teacher.steps)
    climb(run, teacher, 10)
    assert len(teacher.steps) == steps


def test_it_ends_with_a_word_where_proposals_give_nothing_new(run: Run) -> None:
    teacher = Teacher(run.engine, lambda n: "verified" if n < 4 else "duplicate")
    assert climb(run, teacher, 10).verified == 4
    assert teacher.steps.count("verify") == 4
    assert isinstance(run.progress, Teller)
    assert run.progress.said == ["Evol: 4 of 10 verified, no more: 3 rounds of proposals gave no new question."]


def proposed(run: Run, teacher: Teacher) -> None:
    """Twenty proposals and an attempt were paid for, a cent each."""
    with run.engine.begin() as connection:
        connection.execute(text("insert into kodcode.artifacts (key, size, data) values ('k', 1, ''::bytea)"))
        for n, stage in enumerate(["propose"] * 20 + ["solve"]):
            connection.execute(
                text("insert into kodcode.llm_calls (request_hash, provider, model, stage, subset, attempt,"
                     " sampling, prompt_key, answer_key, finish_reason, input_tokens, cached_input_tokens,"
                     " output_tokens, reasoning_tokens, cost_usd, latency_s, retries) values (:n, 'openai', 'teacher',"
                     " :stage, 'Evol', 0, '{}', 'k', 'k', 'stop', 1, 0, 1, 0, 0.01, 0, 0)"),
                {"n": str(n), "stage": stage},
            )  # fmt: skip
    asyncio.run(teacher.propose({"Evol": 20}))


def test_a_further_attempt_is_made_where_proposals_are_nearly_all_duplicates(run: Run) -> None:
    teacher = Teacher(run.engine, lambda n: 2 if n == 0 else "duplicate")
    proposed(run, teacher)
    assert climb(run, teacher, 1).verified == 1
    assert teacher.steps == ["propose 20", "propose 20", "verify", "verify"]
    assert plan_attempts(run.engine, "Evol", MODELS, 5) == 0


def test_further_attempts_go_to_the_stronger_solver_and_end_with_the_budget(run: Run) -> None:
    teacher = Teacher(run.engine, lambda n: 9 if n == 0 else "duplicate")
    proposed(run, teacher)
    assert climb(run, teacher, 1, ["cheap", "strong"], most=3).verified == 0
    with run.engine.connect() as connection:
        tiers = connection.execute(text("select tier from kodcode.trials order by attempt")).scalars().all()
    assert tiers == [0, 1, 1]
    assert isinstance(run.progress, Teller)
    (said,) = run.progress.said
    assert said.startswith("Evol: 0 of 1 verified, no more:")
    assert said.endswith("or the budget of attempts is used up.")
