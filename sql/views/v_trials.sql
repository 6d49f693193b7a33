-- The trial history with what one usually joins to it.
create or replace view kodcode.v_trials as
select q.subset, t.question_id, t.attempt, t.status = 'accepted' as passed, coalesce(t.verdict, t.reason) as verdict,
       t.coverage, t.trust, t.consensus, t.kill_rate, t.stub_rejected, t.stable, t.duration_s, t.message, t.provider,
       t.model, t.tier, t.prompt_version, c.input_tokens, c.output_tokens, c.cost_usd, t.outcomes, t.solution,
       t.test, t.sandbox_level, t.request_hash, t.run_id, t.updated_at
from kodcode.trials t
join kodcode.questions q using (question_id)
left join kodcode.llm_calls c on c.request_hash = t.request_hash;

comment on view kodcode.v_trials is 'Every attempt with its verdict, trust, model, tokens and cost.';
