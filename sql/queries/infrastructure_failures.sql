-- What failed for reasons of infrastructure and waits for the next run?
select stage, subset, reason, rows from v_stages where status = 'failed' order by rows desc, stage, subset
