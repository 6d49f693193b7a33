-- How often do reasoning models answer a triplet rightly, and for how much?
-- param subset text = null: one subset only
select t.subset, t.style, r.provider, r.model, count(*) as responses,
       count(*) filter (where r.status = 'accepted') as kept,
       count(*) filter (where r.status = 'accepted')::float / count(*) as share,
       case when bool_and(c.request_hash is null or c.cost_usd is not null) then sum(c.cost_usd) end as cost_usd
from responses r join triplets t using (triplet_id) left join llm_calls c on c.request_hash = r.request_hash
where r.status in ('accepted', 'rejected') and (:subset is null or t.subset = :subset)
group by 1, 2, 3, 4 order by 1, 2, share desc
