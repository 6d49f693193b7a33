-- One row a (stage, subset, status, reason): every row of every work table is in exactly one of them.
create or replace view kodcode.v_stages as
select case when stage = 'triplet' then 'triplet ' || style else stage end as stage, subset, status, reason,
       sum(rows)::bigint as rows
from kodcode.rollup_rows group by 1, 2, 3, 4 having sum(rows) > 0;

comment on view kodcode.v_stages is 'Rows by stage, subset, status and reason: where everything is and why.';
comment on column kodcode.v_stages.stage is 'question, trial, triplet STYLE or response.';
comment on column kodcode.v_stages.subset is 'Generator that the question comes from.';
comment on column kodcode.v_stages.status is 'pending, accepted, rejected or failed (infrastructure: the next run tries again).';
comment on column kodcode.v_stages.reason is 'Why it is rejected or failed.';
comment on column kodcode.v_stages.rows is 'How many.';
