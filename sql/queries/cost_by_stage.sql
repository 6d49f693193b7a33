-- Where does the money of a verified question go?
-- param subset text = null: one subset only
select subset, stage, provider, model, calls, output_tokens, cost_usd, usd_per_verified,
       case when bool_and(cost_usd is not null) over subsets
            then (cost_usd / nullif(sum(cost_usd) over subsets, 0))::float end as share
from v_cost where :subset is null or subset = :subset
window subsets as (partition by subset)
order by subset, cost_usd desc nulls first
