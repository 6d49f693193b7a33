-- One row a batch: how far it is, and what became of its requests.
create or replace view kodcode.v_batches as
select b.batch_id, b.status, b.provider, b.model, b.path, b.provider_batch_id,
    count(m.request_hash) as requests,
    count(*) filter (where m.status = 'answered') as answered,
    count(*) filter (where m.status in ('refused', 'failed', 'expired', 'missing')) as unanswered,
    sum(c.cost_usd) filter (where m.status = 'answered') as cost_usd,
    b.created_at, b.submitted_at, b.ended_at, b.problem, b.run_id
from kodcode.llm_batches b
left join kodcode.llm_batch_requests m using (batch_id)
left join kodcode.llm_calls c using (request_hash)
group by b.batch_id;

comment on view kodcode.v_batches is 'Batches at the providers: status, requests answered and unanswered, cost.';
