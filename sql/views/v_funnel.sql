-- One row a subset: how many questions entered, what became of them, what it cost.
-- proposed = unusable + duplicates + contaminated + accepted + unscreened; accepted = verified + failed + unlabelled.
create or replace view kodcode.v_funnel as
with ended as (
    select subset,
           sum(rows) filter (where status = 'rejected' and reason not like 'duplicate%' and reason <> 'contaminated') as unusable,
           sum(rows) filter (where status = 'rejected' and reason like 'duplicate%') as duplicates,
           sum(rows) filter (where status = 'rejected' and reason = 'contaminated') as contaminated,
           sum(rows) filter (where status = 'accepted') as accepted
    from kodcode.rollup_rows where stage = 'question' group by subset having sum(rows) > 0
), cautioned as (
    select subset, count(*) as cautioned
    from kodcode.questions where status = 'accepted' and caution is not null group by subset
), waiting as (
    select subset, count(*) filter (where request_hash is not null or provider = 'imported') as asked,
           count(*) filter (where status = 'pending' and text is not null) as unscreened,
           count(*) filter (where text is null) as unanswered
    from kodcode.questions where status in ('pending', 'failed') group by subset
), labelled as (
    select subset, count(*) filter (where difficulty = 'easy') as easy, count(*) filter (where difficulty = 'medium') as medium,
           count(*) filter (where difficulty = 'hard') as hard, count(*) filter (where difficulty = 'fail') as failed
    from kodcode.triplets where style = 'instruct' group by subset
), verified as (
    select subset, sum(rows) filter (where style = 'instruct') as verified,
           sum(rows) filter (where style = 'complete') as complete,
           sum(rows) filter (where style = 'online_judge') as online_judge
    from kodcode.rollup_rows where stage = 'triplet' and status = 'accepted' group by subset
), answered as (
    select subset, sum(rows)::bigint as responses_kept
    from kodcode.rollup_rows where stage = 'response' and status = 'accepted' group by subset
), paid as (
    -- A call whose price is unknown makes the sum unknown: it is never counted as nothing.
    select subset, case when sum(unpriced) = 0 then sum(cost_usd) end as cost_usd
    from kodcode.rollup_calls group by subset
)
select e.subset,
       coalesce(e.unusable, 0)::bigint + coalesce(e.duplicates, 0)::bigint + coalesce(e.contaminated, 0)::bigint
           + coalesce(e.accepted, 0)::bigint + coalesce(w.asked, 0) as proposed,
       coalesce(e.unusable, 0)::bigint as unusable, coalesce(e.duplicates, 0)::bigint as duplicates,
       coalesce(e.contaminated, 0)::bigint as contaminated, coalesce(e.accepted, 0)::bigint as accepted,
       coalesce(c.cautioned, 0) as cautioned, coalesce(w.unscreened, 0) as unscreened,
       coalesce(w.unanswered, 0) as unanswered, coalesce(v.verified, 0)::bigint as verified,
       coalesce(l.easy, 0) as easy, coalesce(l.medium, 0) as medium, coalesce(l.hard, 0) as hard,
       coalesce(l.failed, 0) as failed, coalesce(v.complete, 0)::bigint as complete,
       coalesce(v.online_judge, 0)::bigint as online_judge, coalesce(r.responses_kept, 0) as responses_kept,
       case when p.subset is null then 0 else p.cost_usd end as cost_usd
from ended e
left join cautioned c using (subset)
left join waiting w using (subset)
left join labelled l using (subset)
left join verified v using (subset)
left join answered r using (subset)
left join paid p using (subset);

comment on view kodcode.v_funnel is 'One row a subset: how many questions entered, what became of them, what it cost.';
comment on column kodcode.v_funnel.proposed is 'Places that a teacher answered, and questions that were imported.';
comment on column kodcode.v_funnel.unusable is 'Answers without a usable question: unparsed, truncated, abstained, refused, judged bad by the annotator.';
comment on column kodcode.v_funnel.duplicates is 'Rejected as exact, MinHash or semantic duplicates.';
comment on column kodcode.v_funnel.contaminated is 'Rejected for their likeness to a benchmark problem.';
comment on column kodcode.v_funnel.accepted is 'Passed the screens: trials are made for these.';
comment on column kodcode.v_funnel.cautioned is 'Of the accepted: too near to a benchmark problem, kept for the split use_with_caution.';
comment on column kodcode.v_funnel.unscreened is 'Proposed, not yet screened.';
comment on column kodcode.v_funnel.unanswered is 'Planned or failed for reasons of infrastructure: the next run asks again.';
comment on column kodcode.v_funnel.verified is 'Questions with a trial whose solution passes its test: easy + medium + hard.';
comment on column kodcode.v_funnel.failed is 'Questions none of whose trials passed.';
comment on column kodcode.v_funnel.complete is 'Verified triplets in style Complete.';
comment on column kodcode.v_funnel.online_judge is 'Verified triplets in style Online Judge.';
comment on column kodcode.v_funnel.responses_kept is 'Reasoning responses whose code passes, over all styles.';
comment on column kodcode.v_funnel.cost_usd is 'Paid for all calls of the subset; null where a price is unknown.';
comment on column kodcode.v_funnel.subset is 'Generator that the question comes from.';
comment on column kodcode.v_funnel.easy is 'Verified, two thirds or more of the trials passed.';
comment on column kodcode.v_funnel.medium is 'Verified, a third or more passed.';
comment on column kodcode.v_funnel.hard is 'Verified, fewer passed.';
