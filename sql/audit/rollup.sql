-- The rollup that views read says what the rows and the ledger say; `select kodcode.rebuild_rollup()` makes it so.
with calls as (
    select hour, subset, stage, provider, model, sum(sign * calls) as calls, sum(sign * cost_usd) as cost_usd
    from (select 1 as sign, * from kodcode.rollup_calls union all select -1, * from kodcode.counted_calls) both_sides
    group by hour, subset, stage, provider, model
    having (sum(sign * calls), sum(sign * unpriced), sum(sign * cost_usd), sum(sign * input_tokens),
            sum(sign * cached_input_tokens), sum(sign * output_tokens), sum(sign * reasoning_tokens),
            sum(sign * latency_s)) <> (0, 0, 0, 0, 0, 0, 0, 0)
), rows as (
    select stage, subset, style, provider, model, prompt_version, status, reason, sum(sign * rows) as rows,
           sum(sign * cost_usd) as cost_usd
    from (select 1 as sign, * from kodcode.rollup_rows union all select -1, * from kodcode.counted_rows) both_sides
    group by stage, subset, style, provider, model, prompt_version, status, reason
    having (sum(sign * rows), sum(sign * priced), sum(sign * unpriced), sum(sign * cost_usd), sum(sign * coverages),
            sum(sign * coverage), sum(sign * kill_rates), sum(sign * kill_rate), sum(sign * trusts), sum(sign * trust))
           <> (0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
), hours as (
    select hour, sum(sign * trials) as trials
    from (select 1 as sign, * from kodcode.rollup_hours union all select -1, * from kodcode.counted_hours) both_sides
    group by hour having (sum(sign * trials), sum(sign * passes)) <> (0, 0)
)
select concat_ws(' ', 'calls', hour, subset, stage, provider, model) as id,
       'the rollup is off by ' || calls || ' calls and $' || cost_usd as problem from calls
union all
select concat_ws(' ', stage, subset, style, provider, model, prompt_version, status, reason),
       'the rollup is off by ' || rows || ' rows and $' || cost_usd from rows
union all
select concat_ws(' ', 'trials of', hour), 'the rollup is off by ' || trials || ' trials' from hours
