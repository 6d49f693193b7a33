-- One row an hour (UTC): what ended in it, and what was asked and paid.
create or replace view kodcode.v_throughput as
with happened as (
    select hour, calls, output_tokens, unpriced, cost_usd, 0 as trials, 0 as passes, 0 as verified
    from kodcode.rollup_calls
    union all
    select hour, 0, 0, 0, 0, trials, passes, 0 from kodcode.rollup_hours
    union all
    select date_bin('1 hour', updated_at, '2000-01-01 00:00+00'), 0, 0, 0, 0, 0, 0, count(*)
    from kodcode.triplets where style = 'instruct' and status = 'accepted' group by 1
)
select hour, sum(calls)::bigint as calls, sum(output_tokens)::bigint as output_tokens,
       case when sum(unpriced) = 0 then sum(cost_usd) end as cost_usd,
       sum(trials)::bigint as trials, sum(passes)::bigint as passes, sum(verified)::bigint as verified
from happened
group by hour having sum(calls) > 0 or sum(trials) > 0 or sum(verified) > 0;

comment on view kodcode.v_throughput is 'What the pipeline did hour by hour: answers, trials, verified questions, dollars.';
comment on column kodcode.v_throughput.hour is 'Beginning of the hour, UTC. Hours in which nothing ended have no row.';
comment on column kodcode.v_throughput.calls is 'Answers that came in.';
comment on column kodcode.v_throughput.output_tokens is 'Tokens of these answers.';
comment on column kodcode.v_throughput.cost_usd is 'Paid for them; null where a price is unknown.';
comment on column kodcode.v_throughput.trials is 'Trials that were last changed in this hour, and have ended.';
comment on column kodcode.v_throughput.passes is 'Of these: passed.';
comment on column kodcode.v_throughput.verified is 'Verified questions labelled last in this hour.';
