-- Where does the money of a verified question go?
-- param subset text = null: one subset only
select subset, stage, provider, model, calls, output_tokens, cost_usd, usd_per_verified,
       (cost_usd / nullif(sum(cost_usd) over (partition by subset), 0))::float as share
from v_cost where :subset is null or subset = :subset
order by subset, cost_usd desc nulls first
