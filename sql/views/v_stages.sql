-- One row a (stage, subset, status, reason): every row of every work table is in exactly one of them.
create or replace view kodcode.v_stages as
select 'question' as stage, subset, status, reason, count(*) as rows from kodcode.questions group by 2, 3, 4
union all
select 'trial', q.subset, t.status, t.reason, count(*)
from kodcode.trials t join kodcode.questions q using (question_id) group by 2, 3, 4
union all
select 'triplet ' || style, subset, status, reason, count(*) from kodcode.triplets group by 1, 2, 3, 4
union all
select 'response', t.subset, r.status, r.reason, count(*)
from kodcode.responses r join kodcode.triplets t using (triplet_id) group by 2, 3, 4;

comment on view kodcode.v_stages is 'Rows by stage, subset, status and reason: where everything is and why.';
comment on column kodcode.v_stages.stage is 'question, trial, triplet STYLE or response.';
comment on column kodcode.v_stages.subset is 'Generator that the question comes from.';
comment on column kodcode.v_stages.status is 'pending, accepted, rejected or failed (infrastructure: the next run tries again).';
comment on column kodcode.v_stages.reason is 'Why it is rejected or failed.';
comment on column kodcode.v_stages.rows is 'How many.';
