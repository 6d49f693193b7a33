-- One row a (subset, model) that made trials: how often it passes, how good its tests are, what a pass costs.
create or replace view kodcode.v_model_comparison as
with made as (
    select subset, provider, model, sum(rows)::bigint as trials,
           coalesce(sum(rows) filter (where status = 'accepted'), 0)::bigint as passes,
           (sum(coverage) filter (where status = 'accepted')
            / nullif(sum(coverages) filter (where status = 'accepted'), 0))::float as mean_coverage,
           (sum(kill_rate) / nullif(sum(kill_rates), 0))::float as mean_kill_rate,
           (sum(trust) / nullif(sum(trusts), 0))::float as mean_trust
    from kodcode.rollup_rows
    where stage = 'trial' and status in ('accepted', 'rejected') and model is not null
    group by subset, provider, model having sum(rows) > 0
), paid as (
    select subset, provider, model, sum(calls) as calls, sum(output_tokens) as output_tokens,
           case when sum(unpriced) = 0 then sum(cost_usd) end as cost_usd
    from kodcode.rollup_calls where stage = 'solve' group by subset, provider, model having sum(calls) > 0
)
select m.subset, m.provider, m.model, m.trials, m.passes, m.passes::float / m.trials as pass_rate,
       -- Wilson's 95 % interval, z^2 = 3.8415
       greatest(0, (m.passes + 1.92073 - 1.959964 * sqrt(m.passes * (m.trials - m.passes)::float / m.trials + 0.960365))
                   / (m.trials + 3.84146)) as pass_low,
       least(1, (m.passes + 1.92073 + 1.959964 * sqrt(m.passes * (m.trials - m.passes)::float / m.trials + 0.960365))
                / (m.trials + 3.84146)) as pass_high,
       m.mean_coverage, m.mean_kill_rate, m.mean_trust, (p.output_tokens / p.calls)::float as mean_output_tokens,
       p.cost_usd, (p.cost_usd / nullif(m.passes, 0))::float as usd_per_pass
from made m left join paid p using (subset, provider, model);

comment on view kodcode.v_model_comparison is 'Models that made trials, by subset: pass rate with its interval, strength of their tests, cost of a pass.';
comment on column kodcode.v_model_comparison.subset is 'Generator that the question comes from.';
comment on column kodcode.v_model_comparison.provider is 'Who serves the model.';
comment on column kodcode.v_model_comparison.model is 'Name of the model, as it was asked for.';
comment on column kodcode.v_model_comparison.trials is 'Its ended trials.';
comment on column kodcode.v_model_comparison.passes is 'Of these: the solution passed the test.';
comment on column kodcode.v_model_comparison.pass_rate is 'passes / trials, 0 to 1. A model that is asked only after others failed sees the harder questions.';
comment on column kodcode.v_model_comparison.pass_low is 'Lower end of the 95 % Wilson interval of pass_rate; trials of one question are not independent, so it is too narrow.';
comment on column kodcode.v_model_comparison.pass_high is 'Upper end of that interval.';
comment on column kodcode.v_model_comparison.mean_coverage is 'Line coverage in the trials that passed, percent.';
comment on column kodcode.v_model_comparison.mean_kill_rate is 'Wrong solutions that its tests reject, 0 to 1; null where none were tried.';
comment on column kodcode.v_model_comparison.mean_trust is 'Trust in the trials that passed, 0 to 1; null where none was assessed.';
comment on column kodcode.v_model_comparison.mean_output_tokens is 'Tokens of an answer to a solve request, reasoning included.';
comment on column kodcode.v_model_comparison.cost_usd is 'Paid for all its solve requests of the subset; null where a price is unknown.';
comment on column kodcode.v_model_comparison.usd_per_pass is 'cost_usd / passes.';
