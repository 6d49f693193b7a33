-- One row a (stage, subset, model, prompt version): what the answers to this wording became, and cost.
create or replace view kodcode.v_prompt_versions as
with priced as (
    select case stage when 'question' then 'propose' when 'trial' then 'solve' else 'convert' end as stage, subset,
           provider, model, prompt_version, sum(rows)::bigint as rows,
           coalesce(sum(rows) filter (where status = 'accepted'), 0)::bigint as accepted,
           case when sum(unpriced) = 0 and sum(priced) > 0 then sum(cost_usd) end as cost_usd
    from kodcode.rollup_rows
    where status in ('accepted', 'rejected') and prompt_version is not null
      and (stage in ('question', 'trial') or stage = 'triplet' and style <> 'instruct')
    group by 1, 2, 3, 4, 5 having sum(rows) > 0
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
