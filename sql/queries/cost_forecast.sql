-- What would the next questions cost in each subset, going by what verified ones have cost?
-- param questions int = 1000: verified questions more
-- param subset text = null: one subset only
select subset, sum(verified) filter (where nth = 1) as verified_so_far, sum(cost_usd) as usd_so_far,
       case when bool_and(cost_usd is not null) then sum(usd_per_verified) end as usd_per_verified,
       case when bool_and(cost_usd is not null) then sum(usd_per_verified) * :questions end as usd_forecast
from (select *, row_number() over (partition by subset) as nth from v_cost) costs
where :subset is null or subset = :subset
group by subset order by subset
