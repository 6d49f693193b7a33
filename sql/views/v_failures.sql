-- One row a (stage, subset, model, status, reason) that is not accepted, the commonest first.
create or replace view kodcode.v_failures as
with bad as (
    select 'question' as stage, subset, provider, model, status, reason, count(*) as rows, min(question_id) as example
    from kodcode.questions where status in ('rejected', 'failed') group by 1, 2, 3, 4, 5, 6
    union all
    select 'trial', q.subset, t.provider, t.model, t.status, t.reason, count(*), min(t.question_id)
    from kodcode.trials t join kodcode.questions q using (question_id)
    where t.status in ('rejected', 'failed') group by 1, 2, 3, 4, 5, 6
    union all
    select 'triplet ' || style, subset, provider, model, status, reason, count(*), min(triplet_id)
    from kodcode.triplets where status in ('rejected', 'failed') group by 1, 2, 3, 4, 5, 6
    union all
    select 'response', t.subset, r.provider, r.model, r.status, r.reason, count(*), min(r.triplet_id)
    from kodcode.responses r join kodcode.triplets t using (triplet_id)
    where r.status in ('rejected', 'failed') group by 1, 2, 3, 4, 5, 6
)
select stage, subset, provider, model, status, reason, rows,
       rows / sum(rows) over (partition by stage, subset)::float as share, example
from bad
order by rows desc, stage, subset;

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
