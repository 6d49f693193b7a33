-- Which verified questions passed least often?
-- param subset text = null: one subset only
-- param least int = 3: trials that a question must have
-- param rows int = 50: rows to show
with hardest as (
    select triplet_id, question_id, subset, pass_count, trial_count, trust
    from triplets
    where style = 'instruct' and status = 'accepted' and trial_count >= :least and (:subset is null or subset = :subset)
    order by pass_count::float / trial_count, trial_count desc, triplet_id limit :rows
)
select h.triplet_id, h.subset, h.pass_count, h.trial_count, h.trust, left(q.text, 80) as begins
from hardest h join questions q using (question_id)
order by h.pass_count::float / h.trial_count, h.trial_count desc, h.triplet_id
