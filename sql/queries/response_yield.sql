-- How often do reasoning models answer a triplet rightly, and for how much?
-- param subset text = null: one subset only
select subset, style, provider, model, sum(rows)::bigint as responses,
       coalesce(sum(rows) filter (where status = 'accepted'), 0)::bigint as kept,
       coalesce((sum(rows) filter (where status = 'accepted') / sum(rows))::float, 0) as share,
       case when sum(unpriced) = 0 and sum(priced) > 0 then sum(cost_usd) end as cost_usd
from rollup_rows
where stage = 'response' and status in ('accepted', 'rejected') and (:subset is null or subset = :subset)
group by 1, 2, 3, 4 having sum(rows) > 0 order by 1, 2, share desc
