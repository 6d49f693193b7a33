-- One row a (subset, stage, model): what it cost, and its part in the price of a verified question.
-- A call whose price is unknown makes the sum unknown: it is never counted as nothing.
create or replace view kodcode.v_cost as
with verified as (
    select subset, sum(rows) as count from kodcode.rollup_rows
    where stage = 'triplet' and style = 'instruct' and status = 'accepted' group by subset
), paid as (
    select subset, stage, provider, model, sum(calls)::bigint as calls, sum(input_tokens)::bigint as input_tokens,
           sum(cached_input_tokens)::bigint as cached_input_tokens, sum(output_tokens)::bigint as output_tokens,
           sum(reasoning_tokens)::bigint as reasoning_tokens, (sum(latency_s) / sum(calls))::float as mean_latency_s,
           case when sum(unpriced) = 0 then sum(cost_usd) end as cost_usd
    from kodcode.rollup_calls group by subset, stage, provider, model having sum(calls) > 0
)
select p.subset, p.stage, p.provider, p.model, p.calls, p.input_tokens, p.cached_input_tokens, p.output_tokens,
       p.reasoning_tokens, p.mean_latency_s, p.cost_usd, coalesce(v.count, 0)::bigint as verified,
       (p.cost_usd / nullif(v.count, 0))::float as usd_per_verified
from paid p left join verified v using (subset);

comment on view kodcode.v_cost is 'What was paid by subset, stage and model, in all and per verified question.';
comment on column kodcode.v_cost.subset is 'Generator that the question comes from.';
comment on column kodcode.v_cost.stage is 'propose, annotate, solve, convert or respond.';
comment on column kodcode.v_cost.provider is 'Who serves the model.';
comment on column kodcode.v_cost.model is 'Name of the model, as it was asked for.';
comment on column kodcode.v_cost.calls is 'Answers in the ledger.';
comment on column kodcode.v_cost.input_tokens is 'Tokens sent, cached ones included.';
comment on column kodcode.v_cost.cached_input_tokens is 'Of the tokens sent: read from the provider''s cache.';
comment on column kodcode.v_cost.output_tokens is 'Tokens received, reasoning included.';
comment on column kodcode.v_cost.reasoning_tokens is 'Of the tokens received: reasoning.';
comment on column kodcode.v_cost.mean_latency_s is 'Mean seconds from request to answer.';
comment on column kodcode.v_cost.cost_usd is 'Paid; null where a price is unknown.';
comment on column kodcode.v_cost.verified is 'Verified questions of the subset (the same number in all its rows).';
comment on column kodcode.v_cost.usd_per_verified is 'cost_usd / verified: the rows of a subset add up to the price of a verified question.';
