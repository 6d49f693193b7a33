-- One row a subset: how many questions entered, what became of them, what it cost.
-- proposed = unusable + duplicates + contaminated + accepted + unscreened; accepted = verified + failed + unlabelled.
create or replace view kodcode.v_funnel as
with asked as (
    select subset,
           count(*) filter (where request_hash is not null or status = 'rejected' or provider = 'imported') as proposed,
           count(*) filter (where status = 'rejected' and reason not like 'duplicate%' and reason <> 'contaminated') as unusable,
           count(*) filter (where reason like 'duplicate%') as duplicates,
           count(*) filter (where reason = 'contaminated') as contaminated,
           count(*) filter (where status = 'accepted') as accepted,
           count(*) filter (where status = 'accepted' and caution is not null) as cautioned,
           count(*) filter (where status = 'pending' and text is not null) as unscreened,
           count(*) filter (where status in ('pending', 'failed') and text is null) as unanswered
    from kodcode.questions group by subset
), labelled as (
    select subset,
           count(*) filter (where style = 'instruct' and status = 'accepted') as verified,
           count(*) filter (where style = 'instruct' and difficulty = 'easy') as easy,
           count(*) filter (where style = 'instruct' and difficulty = 'medium') as medium,
           count(*) filter (where style = 'instruct' and difficulty = 'hard') as hard,
           count(*) filter (where style = 'instruct' and difficulty = 'fail') as failed,
           count(*) filter (where style = 'complete' and status = 'accepted') as complete,
           count(*) filter (where style = 'online_judge' and status = 'accepted') as online_judge
    from kodcode.triplets group by subset
), answered as (
    select t.subset, count(*) filter (where r.status = 'accepted') as responses_kept
    from kodcode.responses r join kodcode.triplets t using (triplet_id) group by t.subset
), paid as (
    -- A call whose price is unknown makes the sum unknown: it is never counted as nothing.
    select subset, case when bool_or(cost_usd is null) then null else sum(cost_usd) end as cost_usd
    from kodcode.llm_calls group by subset
)
select a.subset, a.proposed, a.unusable, a.duplicates, a.contaminated, a.accepted, a.cautioned, a.unscreened, a.unanswered,
       coalesce(l.verified, 0) as verified, coalesce(l.easy, 0) as easy, coalesce(l.medium, 0) as medium,
       coalesce(l.hard, 0) as hard, coalesce(l.failed, 0) as failed,
       coalesce(l.complete, 0) as complete, coalesce(l.online_judge, 0) as online_judge,
       coalesce(r.responses_kept, 0) as responses_kept,
       case when p.subset is null then 0 else p.cost_usd end as cost_usd
from asked a
left join labelled l using (subset)
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
