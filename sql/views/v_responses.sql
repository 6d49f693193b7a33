-- Every reasoning response with how many of its triplet's tests it passed: thresholds are conditions, not reruns.
create or replace view kodcode.v_responses as
with suites as (
    -- The chosen trial passed every test that its module has; a program that ended early has outcomes of some only.
    select t.triplet_id,
           (select count(*) from jsonb_object_keys(coalesce(c.outcomes, '{}'))) as tests
    from kodcode.triplets t
    join kodcode.triplets i on i.question_id = t.question_id and i.style = 'instruct'
    left join kodcode.trials c on c.question_id = i.question_id and c.attempt = i.chosen_attempt
                              and t.style <> 'online_judge'
), counted as (
    select r.*, t.subset, t.style,
           (select count(*) from jsonb_each_text(r.outcomes) where value = 'passed') as tests_passed,
           greatest(s.tests, (select count(*) from jsonb_object_keys(r.outcomes))) as tests
    from kodcode.responses r join kodcode.triplets t using (triplet_id) join suites s using (triplet_id)
)
select c.subset, c.style, c.triplet_id, c.attempt, c.status = 'accepted' as kept, coalesce(c.verdict, c.reason) as verdict,
       case when c.verdict is null then null else c.tests_passed end as tests_passed,
       case when c.verdict is null then null else c.tests end as tests,
       case when c.verdict is null or c.tests = 0 then null else c.tests_passed::float / c.tests end as pass_share,
       c.coverage, c.duration_s, c.message, c.provider, c.model, l.output_tokens, l.reasoning_tokens, l.cost_usd,
       c.outcomes, c.code, l.answer_key, l.reasoning_key, c.request_hash, c.run_id, c.updated_at
from counted c
left join kodcode.llm_calls l using (request_hash);

comment on view kodcode.v_responses is 'Every reasoning response with its verdict, its share of passed tests, model, tokens and cost.';
comment on column kodcode.v_responses.kept is 'The code passed every test of its triplet.';
comment on column kodcode.v_responses.pass_share is 'tests_passed / tests; null where nothing was executed.';
