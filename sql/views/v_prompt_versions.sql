-- One row a (stage, subset, model, prompt version): what the answers to this wording became, and cost.
create or replace view kodcode.v_prompt_versions as
with work as (
    select 'propose' as stage, q.subset, q.provider, q.model, q.prompt_version, q.status, q.request_hash
    from kodcode.questions q
    union all
    select 'solve', q.subset, t.provider, t.model, t.prompt_version, t.status, t.request_hash
    from kodcode.trials t join kodcode.questions q using (question_id)
), priced as (
    select w.stage, w.subset, w.provider, w.model, w.prompt_version, count(*) as rows,
           count(*) filter (where w.status = 'accepted') as accepted,
           case when bool_and(c.request_hash is null or c.cost_usd is not null) then sum(c.cost_usd) end as cost_usd
    from work w left join kodcode.llm_calls c using (request_hash)
    where w.status in ('accepted', 'rejected') and w.prompt_version is not null
    group by w.stage, w.subset, w.provider, w.model, w.prompt_version
    union all
    select 'convert', t.subset, t.provider, t.model, t.prompt_version, count(*),
           count(*) filter (where t.status = 'accepted'),
           case when bool_and(tried.known) then sum(tried.cost_usd) end
    from kodcode.triplets t cross join lateral (
        select bool_and(c.cost_usd is not null) is not false as known,
               sum(c.cost_usd) as cost_usd
        from jsonb_array_elements(t.tries) e join kodcode.llm_calls c on c.request_hash = e ->> 'request_hash'
    ) tried
    where t.style in ('complete', 'online_judge') and t.status in ('accepted', 'rejected') and t.prompt_version is not null
    group by t.subset, t.provider, t.model, t.prompt_version
)
select stage, subset, provider, model, prompt_version, rows, accepted, accepted::float / rows as acceptance,
       cost_usd, (accepted / nullif(cost_usd, 0))::float as accepted_per_usd
from priced;

comment on view kodcode.v_prompt_versions is 'Prompt versions: how many of the ended rows that each gave were accepted, and what they cost.';
comment on column kodcode.v_prompt_versions.stage is 'propose (rows are questions), solve (trials) or convert (triplets).';
comment on column kodcode.v_prompt_versions.subset is 'Generator that the question comes from.';
comment on column kodcode.v_prompt_versions.provider is 'Who serves the model.';
comment on column kodcode.v_prompt_versions.model is 'Name of the model, as it was asked for.';
comment on column kodcode.v_prompt_versions.prompt_version is 'Hash of the prompt template that was sent; git log -- prompts tells what changed.';
comment on column kodcode.v_prompt_versions.rows is 'Rows that ended accepted or rejected.';
comment on column kodcode.v_prompt_versions.accepted is 'Of these: accepted.';
comment on column kodcode.v_prompt_versions.acceptance is 'accepted / rows, 0 to 1.';
comment on column kodcode.v_prompt_versions.cost_usd is 'Paid for the rows'' answers, annotations not included; null where a price is unknown.';
comment on column kodcode.v_prompt_versions.accepted_per_usd is 'accepted / cost_usd; null where nothing was paid.';
