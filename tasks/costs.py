"""What a run paid, by stage and model."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, text

# A call whose price is unknown makes the sum unknown: it is never counted as nothing.
_COSTS = """
with verified as (
    select count(*) as count from kodcode.triplets
    where run_id = :run_id and style = 'instruct' and status = 'accepted'
), costs as (
    select stage, model, count(*) as calls, sum(input_tokens) as input_tokens,
           sum(cached_input_tokens) as cached_tokens, sum(output_tokens) as output_tokens,
           case when bool_and(cost_usd is not null) then sum(cost_usd) end as cost_usd
    from kodcode.llm_calls where run_id = :run_id group by grouping sets ((stage, model), ())
)
select coalesce(stage, 'all') as stage, coalesce(model, '') as model, calls, input_tokens::bigint,
       cached_tokens::bigint, output_tokens::bigint, cost_usd::float,
       (cost_usd / nullif(verified.count, 0))::float as usd_per_verified_triplet
from costs, verified where calls > 0 order by costs.stage nulls last, costs.model
"""

def costs(engine: Engine, run_id: str) -> list[dict[str, Any]]:
    """A row for each stage and model that the run paid, and one for all; none where it paid nothing.

    Dollars are None where a price is not known, those per verified triplet also where the run verified none.
    """
    with engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(text(_COSTS), {"run_id": run_id})]
