-- Every imported question and trial comes from a row of a file, and every row of a file that was read to its end says what became of it.
select q.question_id as id, 'imported from no row of a file' as problem
from kodcode.questions q
where q.provider = 'imported'
  and not exists (select 1 from kodcode.import_rows r where r.question_id = q.question_id and r.status = 'stored')
union all
select t.question_id || ':' || t.attempt, 'a trial imported from no row of a file'
from kodcode.trials t
where t.provider = 'imported'
  and not exists (select 1 from kodcode.import_rows r where r.question_id = t.question_id and r.status = 'stored')
union all
select r.import_id || ':' || r.row, 'stored as a question that was not imported'
from kodcode.import_rows r join kodcode.questions q using (question_id)
where r.status = 'stored' and q.provider <> 'imported'
union all
-- Of a finished import, every question that was accepted has its trials, and none waits.
select r.import_id || ':' || r.row, case when t.question_id is null then 'no trial was made of it' else 'its trial is ' || t.status end
from kodcode.import_rows r
join kodcode.imports i using (import_id)
join kodcode.questions q on q.question_id = r.question_id
left join kodcode.trials t on t.question_id = r.question_id and t.provider = 'imported'
where i.status = 'completed' and r.status = 'stored' and r.style <> 'online_judge' and q.status = 'accepted'
  and (t.question_id is null or t.status in ('pending', 'failed'))
union all
-- Each file that a question has a pair or conversion from counts among its seeds, for its licence.
select r.import_id || ':' || r.row, q.question_id || ' does not name the file among its seeds'
from kodcode.import_rows r join kodcode.questions q using (question_id)
where r.status = 'stored' and 'imported-' || left(r.import_id, 16) <> all(q.seed_ids)
