-- How much do more attempts help?
-- param subset text = null: one subset only
-- param most int = 10: largest k
select subset, k, questions, pass_at_k,
       pass_at_k - lag(pass_at_k) over (partition by subset order by k) as gained
from v_pass_at_k
where k <= :most and (:subset is null or subset = :subset)
order by subset, k
