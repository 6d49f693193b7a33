-- What would the next questions cost in each subset, going by what verified ones have cost?
-- param questions int = 1000: verified questions more
-- param subset text = null: one subset only
select subset, max(verified) as verified_so_far, case when bool_and(cost_usd is not null) then sum(cost_usd) end as usd_so_far,
       case when bool_and(cost_usd is not null) then sum(usd_per_verified) end as usd_per_verified,
       case when bool_and(cost_usd is not null) then sum(usd_per_verified) * :questions end as usd_forecast
from v_cost where :subset is null or subset = :subset
group by subset order by subset
