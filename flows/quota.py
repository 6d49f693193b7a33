"""Towards a number of verified questions, step by step: each the cheapest that `tasks.quota` sees."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from tasks.options import Models, SolveBudget, SubsetName
from tasks.quota import FRUITLESS_ROUNDS, Standing, next_step, plan_attempts, standing
from tasks.run import Run


async def reach(
    run: Run,
    names: Sequence[SubsetName],
    target: int,
    attempts: int,
    models: Models,
    solvers: Sequence[str],
    budgets: Mapping[SubsetName, SolveBudget],
    propose: Callable[[dict[SubsetName, int]], Awaitable[None]],
    verify: Callable[[list[SubsetName]], Awaitable[object]],
) -> None:
    """Step until every subset has `target` verified questions, or gives no more.

    `propose` fills so many places of each subset and screens them, `verify` makes the attempts and labels. A subset is
    left alone once a step changed nothing (what failed for reasons of infrastructure waits for the next run, or the
    subset's budget of attempts is used up) or FRUITLESS_ROUNDS rounds of proposals running gave no question; that is
    said. Further attempts are for `solvers` as in `flows.verify`.
    """
    fruitless = dict.fromkeys(names, 0)
    before: dict[SubsetName, Standing] = {}
    left = list(names)
    while left:
        places: dict[SubsetName, int] = {}
        for name in list(left):
            now = await asyncio.to_thread(standing, run.engine, name, models)
            step = next_step(now, target, attempts)
            if name in before and step is not None:
                grown = now.proposed > before[name].proposed
                fruitless[name] = fruitless[name] + grown if now.accepted == before[name].accepted else 0
            why = None
            if now == before.get(name):
                why = "the rest failed for reasons of infrastructure, or the budget of attempts is used up"
            elif fruitless[name] >= FRUITLESS_ROUNDS:
                why = f"{FRUITLESS_ROUNDS} rounds of proposals gave no new question"
            if step is None or why is not None:
                left.remove(name)
                if step is not None:
                    run.progress.say(f"{name}: {now.verified} of {target} verified, no more: {why}.")
                continue
            before[name] = now
            if step.kind == "attempt":
                budget = budgets.get(name)
                await asyncio.to_thread(plan_attempts, run.engine, name, models, step.count, solvers, budget)
            else:
                places[name] = max(1, now.planned + step.count)
        if places:
            await propose(places)
        if left:
            await verify(left)
