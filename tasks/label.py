"""Stage 2, last part: difficulty labels and the instruct triplet of every question whose attempts have all ended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Engine, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from tasks.options import Models
from tasks.retries import INFRASTRUCTURE_RETRIES
from tasks.run import Run, current_run
from tasks.solve import in_scope
from tasks.store.schema import ENDED, Question, Response, Trial, Triplet
from tasks.trials import Select, TrialOutcome, choose_trial, test_info
from tasks.trials import label as label_of
from tasks.work import shards

SIGNALS = ("consensus", "kill_rate", "stub_rejected", "stable", "trust")
_BATCH = 500  # questions whose trials are in memory at a time
STYLE_LETTERS = {"instruct": "I", "complete": "C", "online_judge": "O"}


def unlabelled_questions(engine: Engine, subsets: Sequence[str], models: Models) -> list[str]:
    """Questions whose attempts have all ended, and whose instruct triplet is missing, counts others, or was made
    before its trial was assessed, as happens where the sandbox failed the assessment."""
    ended = func.count().filter(Trial.status.in_(ENDED))
    passed = func.count().filter(Trial.status == "accepted")
    counted = func.coalesce(func.max(Triplet.pass_count), 0)
    labelled = func.coalesce(func.max(Triplet.trial_count), 0)
    chosen = Trial.attempt == Triplet.chosen_attempt
    assessed_since = func.count().filter(chosen & Trial.trust.is_distinct_from(Triplet.trust)) > 0
    statement = (
        select(Question.question_id)
        .join(Trial, Trial.question_id == Question.question_id)
        .outerjoin(Triplet, (Triplet.question_id == Question.question_id) & (Triplet.style == "instruct"))
        .where(in_scope(subsets, models))
        .group_by(Question.question_id)
        .having((ended == func.count()) & ((labelled < func.count()) | (counted != passed) | assessed_since))
        .order_by(Question.question_id)
    )
    with engine.connect() as connection:
        return list(connection.scalars(statement))


@task(name="label", cache_policy=NO_CACHE, **INFRASTRUCTURE_RETRIES)
async def label(subsets: Sequence[str], models: Models, rule: Select = "trust") -> int:
    """Label what can be labelled; returns how many questions. `rule` says how the pair is chosen that stands for
    the question: by trust, or by coverage as the original does."""
    run = current_run()
    ids = await asyncio.to_thread(unlabelled_questions, run.engine, subsets, models)
    for batch in shards(ids, _BATCH):
        await asyncio.to_thread(label_questions, run, batch, rule)
    return len(ids)


def label_questions(run: Run, question_ids: Sequence[str], rule: Select = "trust") -> None:
    """Make or renew the instruct triplets of these questions. One that got more attempts meanwhile, which have not all
    ended, is left as it is until they have.

    The chosen trial stays chosen once conversions or responses were made from it: they are paid for.
    """
    with run.engine.begin() as connection:
        trials: dict[str, list[Any]] = {}
        for trial in connection.execute(
            select(Trial.__table__).where(Trial.question_id.in_(question_ids)).order_by(Trial.attempt)
        ):
            trials.setdefault(trial.question_id, []).append(trial)
        questions = {
            row.question_id: row
            for row in connection.execute(select(Question.__table__).where(Question.question_id.in_(question_ids)))
        }
        fixed = {row.question_id: row.chosen_attempt for row in connection.execute(_built_upon(question_ids))}
        for key in question_ids:
            if any(trial.status not in ENDED for trial in trials[key]):
                continue
            values = _instruct_triplet(questions[key], trials[key], fixed.get(key), rule)
            statement = insert(Triplet).values(**values, run_id=run.run_id)
            renewed = {name: statement.excluded[name] for name in values if name != "triplet_id"}
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["triplet_id"],
                    set_=renewed | {"run_id": run.run_id, "updated_at": func.now()},
                )
            )


def _built_upon(question_ids: Sequence[str]) -> Any:
    derived = Triplet.__table__.alias("derived")
    has_conversion = select(literal(1)).where(derived.c.source_triplet_id == Triplet.triplet_id).exists()
    has_response = select(literal(1)).where(Response.triplet_id == Triplet.triplet_id).exists()
    return select(Triplet.question_id, Triplet.chosen_attempt).where(
        Triplet.question_id.in_(question_ids),
        Triplet.style == "instruct",
        Triplet.chosen_attempt.is_not(None),
        has_conversion | has_response,
    )


def _instruct_triplet(question: Any, trials: Sequence[Any], fixed_attempt: int | None, rule: Select) -> dict[str, Any]:
    attempts = [TrialOutcome(row.attempt, row.status == "accepted", row.coverage, row.trust) for row in trials]
    label = label_of(attempts)
    chosen = fixed_attempt if fixed_attempt is not None else choose_trial(attempts, rule)
    trial = next((row for row in trials if row.attempt == chosen), None)
    return {
        "triplet_id": f"{question.question_id}_{STYLE_LETTERS['instruct']}",
        "question_id": question.question_id,
        "subset": question.subset,
        "style": "instruct",
        "status": "accepted" if trial else "rejected",
        "reason": None if trial else "no_trial_passed",
        "question": question.text,
        "solution": trial and trial.solution,
        "test": trial and trial.test,
        "test_info": test_info(trial.solution, trial.test) if trial else None,
        "chosen_attempt": chosen,
        "coverage": trial and trial.coverage,
        "pass_sequence": label.pass_sequence,
        "pass_count": label.pass_count,
        "trial_count": label.trial_count,
        "pass_percentage": label.pass_percentage,
        "difficulty": label.difficulty,
        "pass_at_k": label.pass_at_k,
        "pass_low": label.pass_low,
        "pass_high": label.pass_high,
        **{name: getattr(trial, name) if trial else None for name in SIGNALS},
        "benchmark_similarity": question.benchmark_similarity,
    }
