"""The quota: from how a subset stands to the cheapest next step towards a number of verified questions.

What is under way is finished first: it is paid for in part, and what it gives must be known. While questions are
missing then, the two ways to one more are compared by what a verified question should cost:

- an attempt at a question that no attempt has solved: the mean cost of an attempt, divided by the chance that the next
  one passes (`AttemptPolicy.promise`, which sinks with every failure);
- a new proposal: the mean cost of a proposal with its annotation and of the attempts at what is accepted of it,
  divided by the share of proposals that came out verified so far.

Costs are dollars of the ledger, or requests where nothing was paid. A step makes as many as should be missing, and at
most doubles what the subset has, so that little is asked on the word of a short history.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Engine, text

from tasks.generate import planned_prompts
from tasks.options import Models, SolveBudget
from tasks.solve import plan_round
from tasks.subsets import get_subset
from tasks.trials import AttemptPolicy, Progress

MOST_ATTEMPTS = 10
# Of rounds of proposals without one accepted question: the seeds, or what the model makes of them, have run out.
FRUITLESS_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """What a subset has, and what that cost on average (dollars, or requests where nothing was paid)."""

    verified: int
    proposed: int  # places that ended, accepted or rejected
    accepted: int
    under_way: int  # unanswered, unscreened, or with attempts that have not ended
    planned: int  # prompts of this teacher
    unsolved: int  # every attempt failed, and there may be more of them
    promise: float  # chance that the next attempt at the best of these passes
    attempted: int  # attempts answered, at all questions
    proposal_cost: float
    attempt_cost: float


@dataclass(frozen=True, slots=True)
class Step:
    """`finish` what is under way; `attempt` so many unsolved questions once more; `propose` so many new ones."""

    kind: Literal["finish", "attempt", "propose"]
    count: int = 0


def next_step(standing: Standing, target: int, attempts: int) -> Step | None:
    """The cheapest step towards `target` verified questions; None where there are as many. `attempts` are those that
    every new question gets."""
    missing = target - standing.verified
    if missing <= 0:
        return None
    if standing.under_way:
        return Step("finish")
    # Both shares start from 1: without a history, as many are proposed as are missing.
    verified = (standing.verified + 1) / (standing.proposed + 1)
    accepted = (standing.accepted + 1) / (standing.proposed + 1)
    proposing = (standing.proposal_cost + accepted * attempts * standing.attempt_cost) / verified
    if standing.unsolved and standing.attempt_cost / standing.promise < proposing:
        return Step("attempt", min(standing.unsolved, math.ceil(missing / standing.promise)))
    return Step("propose", min(math.ceil(missing / verified), missing + standing.planned))


def standing(engine: Engine, subset: str, models: Models) -> Standing:
    """How the subset stands. Canned and real questions never mix; only this teacher's unanswered places count."""
    with engine.connect() as connection:
        values = {"subset": subset, "provider": models.provider}
        counts = connection.execute(_COUNTS, values).one()
        costs = {row.stage: row for row in connection.execute(_COSTS, values)}
        planned, unanswered = planned_prompts(connection, get_subset(subset), models)
    unpaid = not sum(row.cost_usd for row in costs.values())

    def spent(stage: str) -> float:
        row = costs.get(stage)
        return 0.0 if row is None else float(row.calls if unpaid else row.cost_usd)

    calls = {stage: row.calls for stage, row in costs.items()}
    return Standing(
        verified=counts.verified,
        proposed=counts.proposed,
        accepted=counts.accepted,
        under_way=counts.under_way + unanswered,
        planned=planned,
        unsolved=counts.unsolved,
        promise=AttemptPolicy().promise(Progress("", counts.fewest or 0, 0)),
        attempted=calls.get("solve", 0),
        proposal_cost=(spent("propose") + spent("annotate")) / max(1, calls.get("propose", 0)),
        attempt_cost=spent("solve") / max(1, calls.get("solve", 0)),
    )


def plan_attempts(
    engine: Engine,
    subset: str,
    models: Models,
    count: int,
    solvers: Sequence[str] = (),
    budget: SolveBudget | None = None,
) -> int:
    """Make one more attempt of at most `count` unsolved questions, most promising first; returns how many.

    What the first of several `solvers` left unsolved is for the others. `budget` bounds all attempts of the subset.
    """
    # No attempt gains so much: what has passed is left alone, however uncertain its difficulty.
    policy = AttemptPolicy(initial=1, maximum=MOST_ATTEMPTS, gain=1 - 1e-9, tiers=max(1, len(solvers)))
    return plan_round(engine, [subset], models, policy, {} if budget is None else {subset: budget}, count)


_COUNTS = text(f"""
    select count(*) filter (where t.status = 'accepted') as verified,
           count(*) filter (where q.status in ('accepted', 'rejected')) as proposed,
           count(*) filter (where q.status = 'accepted') as accepted,
           count(*) filter (where q.status = 'pending' and q.text is not null
                                  or q.status = 'accepted' and (t.triplet_id is null or open.question_id is not null)
           ) as under_way,
           count(*) filter (where t.difficulty = 'fail' and t.trial_count < {MOST_ATTEMPTS}) as unsolved,
           min(t.trial_count) filter (where t.difficulty = 'fail') as fewest
    from kodcode.questions q
    left join kodcode.triplets t on t.question_id = q.question_id and t.style = 'instruct'
    left join (select distinct question_id from kodcode.trials where status in ('pending', 'failed')) open
           on open.question_id = q.question_id
    where q.subset = :subset and (q.provider = 'offline') = (:provider = 'offline')
""")  # noqa: S608 (a constant)

_COSTS = text("""
    select stage, sum(calls)::bigint as calls, sum(cost_usd) as cost_usd
    from kodcode.rollup_calls
    where subset = :subset and (provider = 'offline') = (:provider = 'offline')
    group by stage
""")
