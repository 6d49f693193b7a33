-- At which attempt are questions solved first?
-- param subset text = null: one subset only
select subset, array_position(pass_sequence, 1::smallint) - 1 as attempt, count(*) as questions,
       count(*) / sum(count(*)) over (partition by subset)::float as share
from triplets
where style = 'instruct' and status in ('accepted', 'rejected') and (:subset is null or subset = :subset)
group by 1, 2 order by 1, 2 nulls last
