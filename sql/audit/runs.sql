-- A run that is over says when it ended, and what it is said to have spent is what its answers cost.
select run_id as id, status || ' without an end' as problem
from kodcode.runs where status <> 'running' and finished_at is null
union all
select s.scope, 'spent $' || s.spent_usd || ', its answers cost $' || coalesce(c.cost_usd, 0)
from kodcode.llm_spending s left join (
    select 'run:' || run_id || coalesce('/stage:' || stage, '/subset:' || subset, '') as scope, sum(cost_usd) as cost_usd
    from kodcode.llm_calls where run_id is not null group by grouping sets ((run_id), (run_id, stage), (run_id, subset))
) c using (scope)
where s.scope like 'run:%' and s.spent_usd <> coalesce(c.cost_usd, 0)
