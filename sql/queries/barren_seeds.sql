-- Which seeds were used often and never led to a verified question?
-- param subset text = null: one subset only
-- param least int = 3: accepted questions that a seed must have led to
-- param rows int = 50: rows to show
with led as (
    select unnest(q.seed_ids) as seed_id, q.question_id, t.status, t.trial_count
    from questions q
    join triplets t on t.question_id = q.question_id and t.style = 'instruct' and t.subset = q.subset
    where q.status = 'accepted' and t.status in ('accepted', 'rejected') and (:subset is null or t.subset = :subset)
), barren as (
    select seed_id, count(*) as questions, sum(trial_count) as trials
    from led group by seed_id having count(*) >= :least and count(*) filter (where status = 'accepted') = 0
)
select b.seed_id, b.questions, b.trials, s.subset, s.source, left(s.text, 80) as begins
from barren b left join seeds s using (seed_id)
order by b.questions desc, b.seed_id limit :rows
