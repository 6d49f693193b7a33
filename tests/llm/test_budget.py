"""Caps hold whatever runs at once: what an answer may cost is reserved before it is asked."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text

from tasks.llm import Answer, Budget, BudgetError, BudgetReached, Gateway, Message, PriceTable, Request, Sampling
from tasks.llm.openai_provider import OpenAIProvider
from tasks.store import ArtifactStore
from tests.llm.fault_server import FaultServer, chat

PRICES = PriceTable.load(given=["dear=100:1000"])
# At 100 and 1,000 dollars a million: 0.5 cents for the prompt, 2 cents for the answer.
USAGE = {"prompt_tokens": 50, "completion_tokens": 20}


def request(number: int, stage: str = "solve", subset: str = "Leetcode") -> Request:
    return Request("openai", "dear", (Message("user", f"question {number}"),), sampling=Sampling(max_tokens=30),
                   stage=stage, subset=subset)  # type: ignore[arg-type]


async def spend(
    database: Engine, artifacts: ArtifactStore, server: FaultServer, budget: str, gateways: int = 1, **where: str
) -> list[Answer | BaseException]:
    """100 questions through each gateway of one run, all at once."""
    made = [
        Gateway(database, artifacts, OpenAIProvider(server.url), PRICES, "run-1", 16, Budget.parse([budget]))
        for _ in range(gateways)
    ]
    asks = [one.ask(request(n + 1000 * place, **where)) for place, one in enumerate(made) for n in range(100)]
    outcomes = await asyncio.gather(*asks, return_exceptions=True)
    for one in made:
        await one.close()
    return outcomes


def recorded(database: Engine) -> Decimal:
    with database.connect() as connection:
        total = connection.scalar(text("select sum(cost_usd) from kodcode.llm_calls"))
    return Decimal(total or 0)


@pytest.mark.parametrize("gateways", [1, 3])
def test_a_run_with_a_cap_of_a_dollar_never_records_more_and_uses_nearly_all_of_it(
    database: Engine, artifacts: ArtifactStore, server: FaultServer, gateways: int
) -> None:
    server.always(chat("hi", usage=USAGE))
    outcomes = asyncio.run(spend(database, artifacts, server, "1.00", gateways))
    reached = [outcome for outcome in outcomes if isinstance(outcome, BudgetReached)]
    answers = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
    assert len(reached) + len(answers) == 100 * gateways
    assert recorded(database) <= 1
    # Room for less than one more answer at its dearest: 75 bytes of prompt at most and 30 tokens.
    assert recorded(database) > 1 - Decimal("0.045")
    assert len(server.seen) == len(answers)
    assert "$1.00 for this run" in str(reached[0])
    with database.connect() as connection:
        assert connection.scalar(text("select count(*) from kodcode.llm_leases")) == 0
        spent = connection.scalar(text("select spent_usd from kodcode.llm_spending where scope = 'run:run-1'"))
    assert spent == recorded(database)


@pytest.mark.parametrize(("budget", "where", "stopped"), [
    ("solve=0.1", {"stage": "solve"}, True),
    ("solve=0.1", {"stage": "respond"}, False),
    ("Leetcode=0.1", {"subset": "Leetcode"}, True),
    ("Leetcode=0.1", {"subset": "Evol"}, False),
    ("day=0.1", {}, True),
])
def test_caps_hold_for_what_they_name(
    database: Engine, artifacts: ArtifactStore, server: FaultServer, budget: str, where: dict[str, str], stopped: bool
) -> None:
    server.always(chat("hi", usage=USAGE))
    asyncio.run(spend(database, artifacts, server, budget, **where))
    assert (recorded(database) <= Decimal("0.1")) == stopped


def test_a_stored_answer_costs_no_budget(database: Engine, artifacts: ArtifactStore, server: FaultServer) -> None:
    server.always(chat("hi", usage=USAGE))
    asyncio.run(spend(database, artifacts, server, "100"))
    outcomes = asyncio.run(spend(database, artifacts, server, "day=0.000001"))
    assert all(isinstance(outcome, Answer) for outcome in outcomes)


@pytest.mark.parametrize("given", ["", "day=", "ten", "-1", "0", "nan", "inf", "solve=1e9"])
def test_a_budget_that_is_none_is_said_to_be_none(given: str) -> None:
    with pytest.raises(BudgetError, match="is no budget"):
        Budget.parse([given])
