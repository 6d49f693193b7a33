-- The rollup that views read says what the rows and the ledger say; `select kodcode.rebuild_rollup()` makes it so.
with calls as (
    select hour, subset, stage, provider, model, sum(sign * calls) as calls, sum(sign * cost_usd) as cost_usd
    from (
        select 1 as sign, hour, subset, stage, provider, model, calls, unpriced, cost_usd, input_tokens,
               cached_input_tokens, output_tokens, reasoning_tokens, latency_s
        from kodcode.rollup_calls
        union all
        select -1, date_bin('1 hour', created_at, '2000-01-01 00:00+00'), subset, stage, provider, model, count(*),
               count(*) - count(cost_usd), coalesce(sum(cost_usd), 0), sum(input_tokens), sum(cached_input_tokens),
               sum(output_tokens), sum(reasoning_tokens), sum(latency_s::numeric)
        from kodcode.llm_calls group by 2, 3, 4, 5, 6
    ) both_sides
    group by hour, subset, stage, provider, model
    having (sum(sign * calls), sum(sign * unpriced), sum(sign * cost_usd), sum(sign * input_tokens),
            sum(sign * cached_input_tokens), sum(sign * output_tokens), sum(sign * reasoning_tokens),
            sum(sign * latency_s)) <> (0, 0, 0, 0, 0, 0, 0, 0)
), work as (
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
    from kodcode.triplets t, jsonb_array_elements(t.tries) e
    join kodcode.llm_calls c on c.request_hash = e ->> 'request_hash' group by t.triplet_id
), rows as (
    select stage, subset, style, provider, model, prompt_version, status, reason, sum(sign * rows) as rows,
           sum(sign * cost_usd) as cost_usd
    from (
        select 1 as sign, stage, subset, style, provider, model, prompt_version, status, reason, rows, priced, unpriced,
               cost_usd, coverages, coverage, kill_rates, kill_rate, trusts, trust
        from kodcode.rollup_rows
        union all
        select -1, w.stage, w.subset, style, w.provider, w.model, prompt_version, status, reason, count(*),
               count(c.cost_usd), count(c.request_hash) - count(c.cost_usd), coalesce(sum(c.cost_usd), 0),
               count(coverage), coalesce(sum(coverage), 0), count(kill_rate), coalesce(sum(kill_rate), 0), count(trust),
               coalesce(sum(trust), 0)
        from work w left join kodcode.llm_calls c using (request_hash)
        group by 2, 3, 4, 5, 6, 7, 8, 9
        union all
        select -1, 'triplet', subset, style, provider, model, prompt_version, status, reason, count(*),
               coalesce(sum(priced), 0), coalesce(sum(unpriced), 0), coalesce(sum(cost_usd), 0), 0, 0, 0, 0, 0, 0
        from kodcode.triplets left join conversions using (triplet_id)
        group by 2, 3, 4, 5, 6, 7, 8, 9
    ) both_sides
    group by stage, subset, style, provider, model, prompt_version, status, reason
    having (sum(sign * rows), sum(sign * priced), sum(sign * unpriced), sum(sign * cost_usd), sum(sign * coverages),
            sum(sign * coverage), sum(sign * kill_rates), sum(sign * kill_rate), sum(sign * trusts), sum(sign * trust))
           <> (0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
), hours as (
    select hour, sum(sign * trials) as trials
    from (
        select 1 as sign, hour, trials, passes from kodcode.rollup_hours
        union all
        select -1, date_bin('1 hour', updated_at, '2000-01-01 00:00+00'), count(*), count(*) filter (where status = 'accepted')
        from kodcode.trials where status in ('accepted', 'rejected') group by 2
    ) both_sides
    group by hour having (sum(sign * trials), sum(sign * passes)) <> (0, 0)
)
select concat_ws(' ', 'calls', hour, subset, stage, provider, model) as id,
       'the rollup is off by ' || calls || ' calls and $' || cost_usd as problem from calls
union all
select concat_ws(' ', stage, subset, style, provider, model, prompt_version, status, reason),
       'the rollup is off by ' || rows || ' rows and $' || cost_usd from rows
union all
select concat_ws(' ', 'trials of', hour), 'the rollup is off by ' || trials || ' trials' from hours
