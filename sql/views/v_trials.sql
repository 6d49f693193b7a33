-- The trial history with what one usually joins to it.
create or replace view kodcode.v_trials as
select q.subset, t.question_id, t.attempt, t.status = 'accepted' as passed, coalesce(t.verdict, t.reason) as verdict,
       t.coverage, t.trust, t.consensus, t.kill_rate, t.stub_rejected, t.stable, t.duration_s, t.message, t.provider,
       t.model, t.tier, t.prompt_version, c.input_tokens, c.output_tokens, c.cost_usd, t.outcomes, t.solution,
       t.test, t.sandbox_level, t.apart, t.request_hash, t.run_id, t.updated_at
from kodcode.trials t
join kodcode.questions q using (question_id)
left join kodcode.llm_calls c on c.request_hash = t.request_hash;

comment on view kodcode.v_trials is 'Every attempt with its verdict, trust, model, tokens and cost.';
comment on column kodcode.v_trials.subset is 'Generator that the question comes from.';
comment on column kodcode.v_trials.question_id is 'The question.';
comment on column kodcode.v_trials.attempt is 'Number of the trial, from 0.';
comment on column kodcode.v_trials.passed is 'The solution passed the test.';
comment on column kodcode.v_trials.verdict is 'The sandbox''s verdict, or why there is none.';
comment on column kodcode.v_trials.coverage is 'Line coverage of the solution, percent.';
comment on column kodcode.v_trials.duration_s is 'Seconds of execution.';
comment on column kodcode.v_trials.message is 'What the failing test said.';
comment on column kodcode.v_trials.provider is 'Who serves the model.';
comment on column kodcode.v_trials.model is 'Name of the model, as it was asked for.';
comment on column kodcode.v_trials.prompt_version is 'Hash of the prompt template that was sent.';
comment on column kodcode.v_trials.input_tokens is 'Tokens sent.';
comment on column kodcode.v_trials.output_tokens is 'Tokens of the answer, reasoning included.';
comment on column kodcode.v_trials.cost_usd is 'Paid for the answer; null where the price is unknown.';
comment on column kodcode.v_trials.outcomes is 'Outcome of each test: passed, failed, skipped or error.';
comment on column kodcode.v_trials.solution is 'The solution''s code.';
comment on column kodcode.v_trials.test is 'The test''s code, a pytest module.';
comment on column kodcode.v_trials.sandbox_level is 'How far the execution was isolated.';
comment on column kodcode.v_trials.request_hash is 'The request in llm_calls.';
comment on column kodcode.v_trials.run_id is 'The run that wrote the row last.';
comment on column kodcode.v_trials.updated_at is 'When the row was last written.';
comment on column kodcode.v_trials.trust is 'How far the pair is believed, 0 to 1; null where not found out.';
comment on column kodcode.v_trials.consensus is 'What the question''s other trials say, 0 to 1.';
comment on column kodcode.v_trials.kill_rate is 'Share of wrong solutions that the test rejects, 0 to 1.';
comment on column kodcode.v_trials.stub_rejected is 'A solution that returns nothing fails the test.';
comment on column kodcode.v_trials.stable is 'Other orders, days and hash seeds pass too.';
comment on column kodcode.v_trials.tier is 'Which of the run''s models was asked, cheapest first, from 0.';
comment on column kodcode.v_trials.apart is 'The pass was repeated with solution and test in two processes; null where it was not repeated at all.';
