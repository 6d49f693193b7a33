-- Every reasoning response with how many of its triplet's tests it passed: thresholds are conditions, not reruns.
create or replace view kodcode.v_responses as
with counted as (
    -- The chosen trial passed every test that its module has; a program that ended early has outcomes of some only.
    select r.*, t.subset, t.style,
           (select count(*) from jsonb_each_text(r.outcomes) where value = 'passed') as tests_passed,
           greatest((select count(*) from jsonb_object_keys(coalesce(c.outcomes, '{}'))),
                    (select count(*) from jsonb_object_keys(r.outcomes))) as tests
    from kodcode.responses r
    join kodcode.triplets t using (triplet_id)
    join kodcode.triplets i on i.question_id = t.question_id and i.style = 'instruct'
    left join kodcode.trials c on c.question_id = i.question_id and c.attempt = i.chosen_attempt
                              and t.style <> 'online_judge'
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
comment on column kodcode.v_responses.subset is 'Generator that the question comes from.';
comment on column kodcode.v_responses.style is 'Style of the triplet.';
comment on column kodcode.v_responses.triplet_id is 'The triplet that is answered.';
comment on column kodcode.v_responses.attempt is 'Number of the answer, from 0.';
comment on column kodcode.v_responses.verdict is 'The sandbox''s verdict, or why there is none.';
comment on column kodcode.v_responses.tests_passed is 'Tests of the triplet that the code passes; null where nothing was executed.';
comment on column kodcode.v_responses.tests is 'Tests, or cases, of the triplet; null where nothing was executed.';
comment on column kodcode.v_responses.coverage is 'Line coverage of the code, percent.';
comment on column kodcode.v_responses.duration_s is 'Seconds of execution.';
comment on column kodcode.v_responses.message is 'What the failing test said.';
comment on column kodcode.v_responses.provider is 'Who serves the model.';
comment on column kodcode.v_responses.model is 'Name of the model, as it was asked for.';
comment on column kodcode.v_responses.output_tokens is 'Tokens of the answer, reasoning included.';
comment on column kodcode.v_responses.reasoning_tokens is 'Of these: reasoning.';
comment on column kodcode.v_responses.cost_usd is 'Paid for the answer; null where the price is unknown.';
comment on column kodcode.v_responses.outcomes is 'Outcome of each test: passed, failed, skipped or error.';
comment on column kodcode.v_responses.code is 'The code as it was judged.';
comment on column kodcode.v_responses.answer_key is 'Key of the answer''s text in artifacts.';
comment on column kodcode.v_responses.reasoning_key is 'Key of the reasoning''s text in artifacts.';
comment on column kodcode.v_responses.request_hash is 'The request in llm_calls.';
comment on column kodcode.v_responses.run_id is 'The run that wrote the row last.';
comment on column kodcode.v_responses.updated_at is 'When the row was last written.';
