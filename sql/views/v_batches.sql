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
comment on column kodcode.v_batches.batch_id is 'Our id of the batch.';
comment on column kodcode.v_batches.status is 'built, uploaded, submitted, collected, expired or failed.';
comment on column kodcode.v_batches.provider is 'Whose batch API.';
comment on column kodcode.v_batches.model is 'Name of the model, as it was asked for.';
comment on column kodcode.v_batches.path is 'What the requests are for, like /v1/chat/completions.';
comment on column kodcode.v_batches.provider_batch_id is 'The provider''s id of the batch.';
comment on column kodcode.v_batches.requests is 'Requests in it.';
comment on column kodcode.v_batches.answered is 'Of these: answered.';
comment on column kodcode.v_batches.unanswered is 'Of these: refused, failed, expired or missing.';
comment on column kodcode.v_batches.cost_usd is 'Paid for the answers whose price is known.';
comment on column kodcode.v_batches.created_at is 'When it was built.';
comment on column kodcode.v_batches.submitted_at is 'When the provider had taken it.';
comment on column kodcode.v_batches.ended_at is 'When it was collected, or given up.';
comment on column kodcode.v_batches.problem is 'What went wrong with the batch as a whole.';
comment on column kodcode.v_batches.run_id is 'The run that sent it.';
