"""What a run will still ask and cost: what is open, times what such calls came to so far; and what nobody can know."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine, text

from tasks.generate import series_models
from tasks.llm import PriceTable, Usage
from tasks.options import Models
from tasks.run import current_run
from tasks.subsets import get_subset


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is asked for: places a subset, attempts a question, styles to convert to, responses a triplet."""

    subsets: Sequence[str]
    questions: int
    attempts: int
    styles: Sequence[str]
    responses: int


@dataclass(frozen=True, slots=True)
class StageForecast:
    """Calls that one stage will make of one model, and what they come to.

    Tokens and dollars are None where no call of the stage was measured yet, dollars also where the price is unknown.
    `measured` are the calls that the tokens are the mean of; `of_model` is false where they are other models' calls.
    """

    stage: str
    model: str
    calls: int
    input_tokens: int | None
    output_tokens: int | None
    usd: Decimal | None
    measured: int
    of_model: bool


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of a whole run. `assumed` names the shares without history, each taken for one: the most that can be kept."""

    stages: tuple[StageForecast, ...]
    assumed: tuple[str, ...]

    @property
    def calls(self) -> int:
        return sum(one.calls for one in self.stages)

    @property
    def usd(self) -> Decimal | None:
        """The whole in dollars; None where that of a stage is not known."""
        known = [one.usd for one in self.stages if one.usd is not None]
        return sum(known, Decimal(0)) if len(known) == len(self.stages) else None

    def sentence(self) -> str:
        """The forecast in words."""
        if not self.stages:
            return "Nothing is left to ask."
        unknown = sorted({one.stage for one in self.stages if one.usd is None})
        known = [f"{one.stage} ${one.usd:.2f}" for one in self.stages if one.usd is not None]
        calls = f"{self.calls:,} calls"
        if self.usd is not None:
            measured = sum(one.measured for one in self.stages)
            said = f"About {calls} and ${self.usd:.2f} ({', '.join(known)}), going by {measured:,} measured calls."
        else:
            said = f"About {calls}. Their cost is not known: nothing was measured yet of {', '.join(unknown)}"
            said += f" (known: {', '.join(known)})." if known else "."
        if self.assumed:
            said += f" At most, for there is no history of how many are {', '.join(self.assumed)}."
        if any(one.usd is not None and not one.of_model for one in self.stages):
            said += " Some tokens are those of other models."
        return said

    def as_json(self) -> dict[str, Any]:
        """For `--json`; dollars as numbers."""
        stages = [
            {
                "stage": one.stage, "model": one.model, "calls": one.calls, "input_tokens": one.input_tokens,
                "output_tokens": one.output_tokens, "usd": None if one.usd is None else float(one.usd),
                "measured_calls": one.measured, "measured_with_this_model": one.of_model,
            }
            for one in self.stages
        ]  # fmt: skip
        usd = None if self.usd is None else float(self.usd)
        return {"calls": self.calls, "usd": usd, "stages": stages, "assumed": list(self.assumed)}


# What a subset holds of a run's rows. Canned and real questions never mix; questions of a retired model are in scope.
_HELD = """
with scope as (
    select * from kodcode.questions where subset = any(:subsets) and (provider = 'offline') = :canned
), questions as (
    select subset, count(*) filter (where status in ('accepted', 'rejected')) as screened,
           count(*) filter (where status = 'accepted') as accepted,
           count(*) filter (where status = 'pending' and text is not null) as unscreened
    from scope group by subset
), trials as (
    select q.subset, count(*) as tried
    from kodcode.trials t join scope q using (question_id)
    where q.status = 'accepted' and t.attempt < :attempts and t.status in ('accepted', 'rejected') group by q.subset
), triplets as (
    select q.subset,
           count(*) filter (where t.style = 'instruct' and t.status <> 'pending') as labelled,
           count(*) filter (where t.style = 'instruct' and t.status = 'accepted') as verified,
           count(*) filter (where t.style = any(:styles) and t.status in ('accepted', 'rejected')) as converted,
           count(*) filter (where t.style = any(:styles) and t.status = 'accepted') as proven,
           count(*) filter (where t.style <> 'instruct' and t.status in ('accepted', 'rejected')) as conversions
    from kodcode.triplets t join scope q using (question_id) group by q.subset
), responses as (
    select q.subset, count(*) as responded
    from kodcode.responses r join kodcode.triplets t using (triplet_id) join scope q using (question_id)
    where r.provider = :provider and r.model = :reasoner and r.attempt < :responses
      and t.style = any(:styles || '{instruct}') and r.status in ('accepted', 'rejected') group by q.subset
)
select * from questions left join trials using (subset) left join triplets using (subset)
left join responses using (subset)
"""

_MEASURED = """
select stage, model, sum(calls)::bigint as calls,
       coalesce(sum(calls) filter (where subset = any(:subsets)), 0)::bigint as calls_of_subsets,
       sum(input_tokens)::bigint as input_tokens, sum(cached_input_tokens)::bigint as cached_tokens,
       sum(output_tokens)::bigint as output_tokens, sum(reasoning_tokens)::bigint as reasoning_tokens
from kodcode.rollup_calls where provider = :provider group by stage, model
"""

_FILLED = """
select count(*) from kodcode.questions where subset = :subset and provider = :provider and model = any(:asked)
and prompt_index < :questions and (text is not null or status = 'rejected')
"""


def forecast(engine: Engine, plan: Plan, models: Models, prices: PriceTable) -> Forecast:
    """What `plan` still costs, as far as the history of trials and the ledger tell."""
    with engine.connect() as connection:
        values = {
            "subsets": list(plan.subsets), "canned": models.provider == "offline", "attempts": plan.attempts,
            "styles": list(plan.styles), "provider": models.provider, "reasoner": models.reasoner,
            "responses": plan.responses,
        }  # fmt: skip
        held = {row.subset: {name: value or 0 for name, value in row._mapping.items() if name != "subset"}
                for row in connection.execute(text(_HELD), values)}  # fmt: skip
        measured = connection.execute(text(_MEASURED), values).all()
        open_places = {name: _open_places(connection, name, plan, models) for name in plan.subsets}
    rates = _Rates(held, measured)
    calls: dict[tuple[str, str], float] = defaultdict(float)
    for name in plan.subsets:
        for stage, model, count in _calls(name, held.get(name, {}), open_places[name], plan, models, rates):
            calls[stage, model] += count
    stages = tuple(
        _stage(stage, model, round(count), models, measured, prices)
        for (stage, model), count in calls.items()
        if round(count) > 0
    )
    return Forecast(stages, tuple(rates.assumed))


def _open_places(connection: Connection, subset: str, plan: Plan, models: Models) -> int:
    values = {
        "subset": subset, "provider": models.provider, "asked": list(series_models(get_subset(subset), models)),
        "questions": plan.questions,
    }  # fmt: skip
    return max(0, plan.questions - int(connection.scalar(text(_FILLED), values) or 0))


@dataclass
class _Rates:
    """Shares measured in a subset, else in all of them, else assumed to be one.

    One more is counted as kept than was seen, so that a short history leans to the dear side, and none to the dearest.
    """

    held: Mapping[str, Mapping[str, int]]
    measured: Sequence[Any]
    assumed: list[str] = field(default_factory=list)

    def share(self, subset: str, part: str, whole: str) -> float:
        for rows in ([self.held.get(subset, {})], list(self.held.values())):
            total = sum(row.get(whole, 0) for row in rows)
            if total:
                return (sum(row.get(part, 0) for row in rows) + 1) / (total + 1)
        if part not in self.assumed:
            self.assumed.append(part)
        return 1.0

    def calls_a_conversion(self) -> float:
        # Of the subsets that `held` is of: calls of others would count as repeated tries.
        calls = sum(row.calls_of_subsets for row in self.measured if row.stage == "convert")
        conversions = sum(row.get("conversions", 0) for row in self.held.values())
        return max(1.0, calls / conversions) if conversions else 1.0


def _calls(
    name: str, held: Mapping[str, int], open_places: int, plan: Plan, models: Models, rates: _Rates
) -> Iterable[tuple[str, str, float]]:
    """Stage, model and number of calls that one subset still needs."""

    def of(what: str) -> int:
        return held.get(what, 0)

    subset = get_subset(name)
    asked = series_models(subset, models)
    for model in asked:
        yield "propose", model, open_places / len(asked)
    if subset.annotated or models.annotator is not None:
        yield "annotate", models.annotator or models.teacher, open_places
    coming = open_places + of("unscreened")
    accepted = of("accepted") + (coming * rates.share(name, "accepted", "screened") if coming else 0)
    yield "solve", models.teacher, max(0.0, accepted * plan.attempts - of("tried"))
    unlabelled = max(0.0, accepted - of("labelled"))
    verified = of("verified") + (unlabelled * rates.share(name, "verified", "labelled") if unlabelled else 0)
    unconverted = max(0.0, verified * len(plan.styles) - of("converted"))
    yield "convert", models.teacher, unconverted * rates.calls_a_conversion()
    proven = of("proven") + (unconverted * rates.share(name, "proven", "converted") if unconverted else 0)
    yield "respond", models.reasoner, max(0.0, (verified + proven) * plan.responses - of("responded"))


def _stage(
    stage: str, model: str, calls: int, models: Models, measured: Sequence[Any], prices: PriceTable
) -> StageForecast:
    of_stage = [row for row in measured if row.stage == stage]
    of_model = [row for row in of_stage if row.model == model]
    rows = of_model or of_stage
    count: int = sum(row.calls for row in rows)
    if not count:
        return StageForecast(stage, model, calls, None, None, None, 0, False)

    def expected(name: str) -> int:
        return round(float(sum(getattr(row, name) for row in rows)) * calls / int(count))

    usage = Usage(*map(expected, ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")))
    price = prices.of(models.provider, model)
    # What `auto` will ask in batches nobody knows: it is taken for all online, the dear side.
    usd = None if price is None else price.cost_usd(usage, batched=models.mode == "batch")
    return StageForecast(stage, model, calls, usage.input_tokens, usage.output_tokens, usd, count, bool(of_model))


async def announce(plan: Plan, models: Models) -> None:
    """Tell the forecast before anything is asked; nothing where nothing is paid."""
    if models.replay or models.provider == "offline":
        return
    run = current_run()
    prices = PriceTable.load(run.settings.prices, models.prices)
    found = await asyncio.to_thread(forecast, run.engine, plan, models, prices)
    run.progress.say(f"Forecast: {found.sentence()}")
    run.progress.expect(found.usd)
