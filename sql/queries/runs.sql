-- What was run lately, how did it end, and what did it pay?
-- param since date = null: runs begun on or after this day (UTC)
-- param rows int = 20: rows to show
with lately as (
    select * from runs
    where :since is null or started_at >= cast(:since as timestamp) at time zone 'UTC'
    order by started_at desc limit :rows
)
select r.run_id, r.flow, r.status, r.started_at, r.finished_at - r.started_at as took, r.code_version,
       (select spent_usd from llm_spending where scope = 'run:' || r.run_id) as spent_usd, left(r.error, 120) as error
from lately r order by r.started_at desc
