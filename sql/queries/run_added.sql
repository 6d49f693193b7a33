-- What did a run, like last night's, add?
-- param run text = null: its run_id; by default the newest run
with run as (
    select run_id from runs where :run is null or run_id = :run order by started_at desc limit 1
)
select 'questions' as what, subset, status, reason, count(*) as rows
from questions join run using (run_id) group by 2, 3, 4
union all
select 'trials', q.subset, t.status, t.reason, count(*)
from trials t join run r on r.run_id = t.run_id join questions q using (question_id) group by 2, 3, 4
union all
select 'triplets ' || style, subset, status, reason, count(*)
from triplets join run using (run_id) group by 1, 2, 3, 4
union all
select 'responses', t.subset, r.status, r.reason, count(*)
from responses r join run using (run_id) join triplets t using (triplet_id) group by 2, 3, 4
order by what, subset, status, rows desc
