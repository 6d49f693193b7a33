-- What rollup_calls has to say, counted from the ledger: the measure of sql/audit/rollup.sql, and slow on a long history.
create or replace view kodcode.counted_calls as
select date_bin('1 hour', created_at, '2000-01-01 00:00+00') as hour, subset, stage, provider, model,
       count(*) as calls, count(*) - count(cost_usd) as unpriced, coalesce(sum(cost_usd), 0)::numeric as cost_usd,
       sum(input_tokens) as input_tokens, sum(cached_input_tokens) as cached_input_tokens,
       sum(output_tokens) as output_tokens, sum(reasoning_tokens) as reasoning_tokens,
       sum(latency_s::numeric) as latency_s
from kodcode.llm_calls group by 1, 2, 3, 4, 5;

comment on view kodcode.counted_calls is 'The ledger by hour, counted anew; rollup_calls holds the same sums.';
comment on column kodcode.counted_calls.hour is 'Beginning of the hour, in UTC.';
comment on column kodcode.counted_calls.subset is 'Subset that was worked on.';
comment on column kodcode.counted_calls.stage is 'Stage that asked: propose, solve, convert ...';
comment on column kodcode.counted_calls.provider is 'Who was asked.';
comment on column kodcode.counted_calls.model is 'Model that answered.';
comment on column kodcode.counted_calls.calls is 'Answers in the ledger.';
comment on column kodcode.counted_calls.unpriced is 'Of them, those whose cost is not known.';
comment on column kodcode.counted_calls.cost_usd is 'US dollars, of those whose cost is known.';
comment on column kodcode.counted_calls.input_tokens is 'Tokens of the prompts.';
comment on column kodcode.counted_calls.cached_input_tokens is 'Of them, those that the provider had in its cache.';
comment on column kodcode.counted_calls.output_tokens is 'Tokens of the answers.';
comment on column kodcode.counted_calls.reasoning_tokens is 'Of them, tokens of reasoning, where the provider says so.';
comment on column kodcode.counted_calls.latency_s is 'Seconds that the calls took, added up.';
