-- A batch that ended says when and what became of each request, holds no lease, and what it answered is in the ledger.
select b.batch_id as id, 'ended as ' || b.status || ' without a time' as problem
from kodcode.llm_batches b where b.status in ('collected', 'expired', 'failed') and b.ended_at is null
union all
select b.batch_id, 'submitted without the provider''s id'
from kodcode.llm_batches b where b.status in ('submitted', 'collected') and b.provider_batch_id is null
union all
select m.batch_id || '/' || m.request_hash,
       case when m.status = 'open' then 'open in a batch that is ' || b.status else 'answered without an answer in the ledger' end
from kodcode.llm_batch_requests m join kodcode.llm_batches b using (batch_id)
where m.status = 'open' and b.status in ('collected', 'expired', 'failed')
   or m.status = 'answered' and not exists (select from kodcode.llm_calls c where c.request_hash = m.request_hash)
union all
select l.request_hash, 'leased to the batch ' || l.batch_id || ', which is ' || coalesce(b.status, 'not there')
from kodcode.llm_leases l left join kodcode.llm_batches b using (batch_id)
where l.batch_id is not null and coalesce(b.status not in ('built', 'uploaded', 'submitted'), true)
