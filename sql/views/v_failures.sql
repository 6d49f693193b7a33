-- One row a (stage, subset, model, status, reason) that is not accepted, the commonest first.
create or replace view kodcode.v_failures as
with bad as (
    select case when stage = 'triplet' then 'triplet ' || style else stage end as stage,
           case when stage = 'triplet' then style end as style, subset, provider, model, status, reason,
           sum(rows)::bigint as rows
    from kodcode.rollup_rows where status in ('rejected', 'failed')
    group by 1, 2, 3, 4, 5, 6, 7 having sum(rows) > 0
)
select b.stage, b.subset, b.provider, b.model, b.status, b.reason, b.rows,
       b.rows / sum(b.rows) over (partition by b.stage, b.subset)::float as share,
       -- The first of its subset: ids begin with the subset, so that the search may begin where the subset does.
       case when b.stage = 'question' then (
           select min(question_id) from kodcode.questions
           where (subset, status, reason, provider, model) = (b.subset, b.status, b.reason, b.provider, b.model)
       ) when b.stage = 'trial' then (
           select t.question_id from kodcode.trials t join kodcode.questions q using (question_id)
           where t.status in ('rejected', 'failed') and t.reason = b.reason and t.question_id >= f.question_id
             and t.status = b.status and q.subset = b.subset
             and t.provider is not distinct from b.provider and t.model is not distinct from b.model
           order by t.question_id limit 1
       ) when b.stage = 'response' then (
           select r.triplet_id from kodcode.responses r join kodcode.triplets t using (triplet_id)
           where r.status in ('rejected', 'failed') and r.reason = b.reason and r.triplet_id >= f.question_id
             and (r.status, t.subset, r.provider, r.model) = (b.status, b.subset, b.provider, b.model)
           order by r.triplet_id limit 1
       ) else (
           select min(triplet_id) from kodcode.triplets
           where (subset, style, status, reason) = (b.subset, b.style, b.status, b.reason)
             and provider is not distinct from b.provider and model is not distinct from b.model
       ) end as example
from bad b cross join lateral (
    select question_id from kodcode.questions where subset = b.subset order by number limit 1
) f
order by b.rows desc, b.stage, b.subset;

comment on view kodcode.v_failures is 'Why rows are rejected or failed, by stage, subset and model, the commonest reason first.';
comment on column kodcode.v_failures.stage is 'question, trial, triplet STYLE or response.';
comment on column kodcode.v_failures.subset is 'Generator that the question comes from.';
comment on column kodcode.v_failures.provider is 'Who serves the model; null for an instruct triplet, which no model makes.';
comment on column kodcode.v_failures.model is 'The model that answered; null for an instruct triplet.';
comment on column kodcode.v_failures.status is 'rejected: the row is bad; failed: the infrastructure was, and the next run tries again.';
comment on column kodcode.v_failures.reason is 'Why, in a word: a verdict, a screen or a parser''s finding.';
comment on column kodcode.v_failures.rows is 'Rows that ended so.';
comment on column kodcode.v_failures.share is 'Of all rows of this stage and subset that were rejected or failed, 0 to 1.';
comment on column kodcode.v_failures.example is 'One of them, for kodcode why.';
