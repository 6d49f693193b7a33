-- How many answers, trials and verified questions an hour, lately?
-- param hours int = 48: hours back from the newest with an entry
select hour, calls, trials, passes, verified, cost_usd, passes::float / nullif(trials, 0) as pass_rate
from (select *, max(hour) over () as newest from v_throughput) hourly
where hour > newest - :hours * interval '1 hour'
order by hour
