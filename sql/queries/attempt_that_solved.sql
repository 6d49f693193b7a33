-- At which attempt are questions solved first?
-- param subset text = null: one subset only
with first as (
    select question_id, min(attempt) filter (where status = 'accepted') as attempt
    from trials where status in ('accepted', 'rejected') group by question_id
)
select q.subset, f.attempt, count(*) as questions, count(*) / sum(count(*)) over (partition by q.subset)::float as share
from first f join questions q using (question_id)
where :subset is null or q.subset = :subset
group by q.subset, f.attempt order by q.subset, f.attempt nulls last
