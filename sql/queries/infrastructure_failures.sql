-- What failed for reasons of infrastructure and waits for the next run?
select stage, subset, provider, model, reason, rows, example
from v_failures where status = 'failed' order by rows desc
