-- Which questions does one model always solve and another never?
-- param least int = 2: ended trials that each of the two must have made
-- param subset text = null: one subset only
-- param rows int = 50: rows to show
with by_model as (
    select question_id, model, count(*) as trials, count(*) filter (where status = 'accepted') as passes
    from trials where status in ('accepted', 'rejected') and model is not null
    group by question_id, model having count(*) >= :least
), flips as (
    select question_id, string_agg(model, ', ' order by model) filter (where passes = trials) as solved_by,
           string_agg(model, ', ' order by model) filter (where passes = 0) as not_solved_by
    from by_model group by question_id
    having bool_or(passes = trials) and bool_or(passes = 0)
)
select f.question_id, q.subset, f.solved_by, f.not_solved_by, left(q.text, 80) as begins
from flips f join questions q using (question_id)
where :subset is null or q.subset = :subset
order by f.question_id limit :rows
