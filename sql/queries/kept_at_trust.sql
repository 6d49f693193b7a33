-- How many triplets are left where trust must be at least so much?
-- param style text = instruct: instruct, complete or online_judge
select subset, trust_from as trust_at_least,
       sum(triplets) over (partition by subset order by trust_from desc)::bigint as triplets,
       sum(triplets) over (partition by subset order by trust_from desc)
           / sum(triplets) over (partition by subset)::float as share
from v_trust where style = :style and trust_from is not null
order by subset, trust_from
