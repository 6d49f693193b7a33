-- Which questions are proposed again and again?
-- param rows int = 50: rows to show
with copied as (
    select duplicate_of as question_id, count(*) as copies
    from questions where duplicate_of is not null group by 1 order by 2 desc, 1 limit :rows
)
select question_id, subset, copies, left(text, 80) as begins
from copied join questions using (question_id) order by copies desc, question_id
