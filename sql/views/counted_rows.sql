-- What rollup_rows has to say, counted from the work tables: the measure of sql/audit/rollup.sql, and slow on a long history.
create or replace view kodcode.counted_rows as
with work as (
    select 'question' as stage, subset, null as style, provider, model, prompt_version, status, reason, request_hash,
           null::numeric as coverage, null::numeric as kill_rate, null::numeric as trust
    from kodcode.questions
    union all
    select 'trial', q.subset, null, t.provider, t.model, t.prompt_version, t.status, t.reason, t.request_hash,
           t.coverage::numeric, t.kill_rate::numeric, t.trust::numeric
    from kodcode.trials t join kodcode.questions q using (question_id)
    union all
    select 'response', t.subset, t.style, r.provider, r.model, null, r.status, r.reason, r.request_hash,
           null, null, null
    from kodcode.responses r join kodcode.triplets t using (triplet_id)
), conversions as (
    select t.triplet_id, count(c.cost_usd) as priced, count(*) - count(c.cost_usd) as unpriced, sum(c.cost_usd) as cost_usd
    from kodcode.triplets t, jsonb_path_query(t.tries, '$[*]') e
    join kodcode.llm_calls c on c.request_hash = e ->> 'request_hash' group by t.triplet_id
)
select w.stage, w.subset, style, w.provider, w.model, prompt_version, status, reason, count(*) as rows,
       count(c.cost_usd) as priced, count(c.request_hash) - count(c.cost_usd) as unpriced,
       coalesce(sum(c.cost_usd), 0)::numeric as cost_usd,
       count(coverage) as coverages, coalesce(sum(coverage), 0) as coverage,
       count(kill_rate) as kill_rates, coalesce(sum(kill_rate), 0) as kill_rate,
       count(trust) as trusts, coalesce(sum(trust), 0) as trust
from work w left join kodcode.llm_calls c using (request_hash)
group by w.stage, w.subset, style, w.provider, w.model, prompt_version, status, reason
union all
select 'triplet', subset, style, provider, model, prompt_version, status, reason, count(*),
       coalesce(sum(priced), 0)::bigint, coalesce(sum(unpriced), 0)::bigint, coalesce(sum(cost_usd), 0)::numeric,
       0, 0, 0, 0, 0, 0
from kodcode.triplets left join conversions using (triplet_id)
group by subset, style, provider, model, prompt_version, status, reason;

comment on view kodcode.counted_rows is 'Rows of the work tables by how they ended, counted anew; rollup_rows holds the same sums.';
comment on column kodcode.counted_rows.stage is 'question, trial, triplet or response.';
comment on column kodcode.counted_rows.subset is 'Subset of the question.';
comment on column kodcode.counted_rows.style is 'Of triplets and responses; null for the others.';
comment on column kodcode.counted_rows.provider is 'Who was asked for the row.';
comment on column kodcode.counted_rows.model is 'Model that wrote it.';
comment on column kodcode.counted_rows.prompt_version is 'Version of the prompt; null for responses.';
comment on column kodcode.counted_rows.status is 'pending, accepted, rejected or failed.';
comment on column kodcode.counted_rows.reason is 'Why it was rejected or failed.';
comment on column kodcode.counted_rows.rows is 'How many rows.';
comment on column kodcode.counted_rows.priced is 'Answers that they were made from and whose cost is known.';
comment on column kodcode.counted_rows.unpriced is 'Answers whose cost is not known.';
comment on column kodcode.counted_rows.cost_usd is 'US dollars, of those whose cost is known.';
comment on column kodcode.counted_rows.coverages is 'Trials with a coverage.';
comment on column kodcode.counted_rows.coverage is 'Their coverage in percent, added up.';
comment on column kodcode.counted_rows.kill_rates is 'Trials with a kill rate.';
comment on column kodcode.counted_rows.kill_rate is 'Their kill rates, added up.';
comment on column kodcode.counted_rows.trusts is 'Trials with a trust.';
comment on column kodcode.counted_rows.trust is 'Their trust, added up.';
