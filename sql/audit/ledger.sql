-- Every answer in the ledger was used by a row: none was paid for and lost. (Refusals are stored so as not to be paid again.)
select c.request_hash as id, 'a ' || c.stage || ' answer that no row uses' as problem
from kodcode.llm_calls c
where c.finish_reason <> 'content_filter'
  and not exists (select 1 from kodcode.questions q where q.request_hash = c.request_hash or q.annotation_hash = c.request_hash)
  and not exists (select 1 from kodcode.trials t where t.request_hash = c.request_hash)
  and not exists (select 1 from kodcode.responses r where r.request_hash = c.request_hash)
  and not exists (
      select 1 from kodcode.triplets t, jsonb_array_elements(t.tries) e where e ->> 'request_hash' = c.request_hash)
  and not exists (select 1 from kodcode.runs r where r.run_id = c.run_id and r.status <> 'completed')
