-- Which questions are nearest to which benchmark problems?
-- param benchmark text = null: one benchmark only
-- param measure text = null: cosine, words, code, terms or solution
-- param rows int = 50: rows to show
select c.question_id, q.status, c.benchmark, c.item_id, c.measure, c.value, c.threshold, left(q.text, 80) as begins
from contaminations c join questions q using (question_id)
where (:benchmark is null or c.benchmark = :benchmark) and (:measure is null or c.measure = :measure)
order by c.value desc, c.question_id limit :rows
