-- Which solutions that passed ran longest?
-- param rows int = 50: rows to show
with slowest as (
    select question_id, attempt, duration_s, peak_memory_mb, model
    from trials where status = 'accepted' and duration_s is not null order by duration_s desc limit :rows
)
select s.question_id, s.attempt, q.subset, s.duration_s, s.peak_memory_mb, s.model, t.chosen_attempt = s.attempt as chosen
from slowest s join questions q using (question_id)
left join triplets t on t.question_id = s.question_id and t.style = 'instruct'
order by s.duration_s desc
