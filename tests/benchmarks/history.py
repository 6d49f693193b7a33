"""A history of a million trials, drawn by PostgreSQL itself."""

from __future__ import annotations

from sqlalchemy import Engine, text

TRIALS_A_QUESTION = 5

# Hashing numbers gives draws that are the same everywhere: h(n, salt) is uniform in 0 to 1.
_STATEMENTS = (
    "create function pg_temp.h(n bigint, salt int) returns float language sql immutable parallel safe as"
    " $$ select (hashint8extended(n, salt) & 1048575) / 1048576.0 $$",
    "insert into kodcode.artifacts (key, size, data) values ('k', 1, 'x')",
    "insert into kodcode.runs (run_id, flow, parameters, code_version, host, pid, status, started_at)"
    " select 'run' || n, 'nightly', '{}', 'c', 'h', 1, 'completed', '2026-01-01'::timestamptz + n * interval '1 day'"
    " from generate_series(0, 99) n",
    "insert into kodcode.seeds (seed_id, subset, content_hash, text, source)"
    " select 's' || n, (array['Leetcode', 'Apps', 'Taco', 'Docs'])[n % 4 + 1], 'c' || n, repeat('seed ', 40), 'here'"
    " from generate_series(0, 9999) n",
    # A proposing call a question, then a solving call a trial; hashes are 64 characters as the real ones.
    "insert into kodcode.llm_calls (request_hash, provider, model, stage, subset, attempt, sampling, prompt_key,"
    " answer_key, finish_reason, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, cost_usd,"
    " latency_s, retries, run_id, created_at)"
    " select md5(n::text) || md5((-n)::text), 'openai', case when n % 5 < 2 then 'small' else 'big' end,"
    " case when n < :questions then 'propose' else 'solve' end,"
    " (array['Leetcode', 'Apps', 'Taco', 'Docs'])[case when n < :questions then n"
    " else (n - :questions) / :attempts end % 4 + 1], 0, '{\"temperature\": 1}', 'k', 'k', 'stop', 800, 0,"
    " 500 + (pg_temp.h(n, 1) * 500)::int, 0, 0.001 + pg_temp.h(n, 2) / 100, 5, 0,"
    " 'run' || n * 100 / (:questions * (:attempts + 1)), '2026-01-01'::timestamptz + n * interval '5 seconds'"
    " from generate_series(0::bigint, :questions * (:attempts + 1) - 1) n",
    "insert into kodcode.questions (question_id, subset, number, provider, model, prompt_index, prompt_version,"
    " seed_ids, request_hash, text, status, reason, run_id)"
    " select subset || '_' || lpad((n / 4)::text, 8, '0'), subset, n / 4, 'openai', 'big', n / 4, 'p' || n % 5,"
    " array['s' || (n % 10000)], md5(n::text) || md5((-n)::text), repeat('Write a function that ', 40),"
    " 'accepted', null, 'run' || n * 100 / :questions"
    " from generate_series(0::bigint, :questions - 1) n,"
    " lateral (select (array['Leetcode', 'Apps', 'Taco', 'Docs'])[n % 4 + 1] as subset) s",
    # A fifth more that were rejected: nine of ten duplicate another, the rest looks like a benchmark.
    "insert into kodcode.questions (question_id, subset, number, provider, model, prompt_index, prompt_version,"
    " seed_ids, text, status, reason, duplicate_of, similarity, run_id)"
    " select 'Evol_' || lpad(n::text, 8, '0'), 'Evol', n, 'openai', 'big', n, 'p' || n % 5, array['s' || (n % 10000)],"
    " repeat('Write a function that ', 40), 'rejected',"
    " case when n % 10 = 0 then 'contaminated' else 'duplicate_minhash' end,"
    " case when n % 10 > 0 then 'Apps_' || lpad((n % (:questions / 40))::text, 8, '0') end, pg_temp.h(n, 9),"
    " 'run' || n * 500 / :questions from generate_series(0::bigint, :questions / 5 - 1) n",
    "insert into kodcode.benchmark_items (benchmark, item_id, text, text_hash)"
    " select 'HumanEval', n, 'x', n from generate_series(0, 163) n",
    "insert into kodcode.contaminations (question_id, measure, benchmark, item_id, value, threshold)"
    " select question_id, 'cosine', 'HumanEval', number % 164, 0.95 + pg_temp.h(number, 10) / 20, 0.95"
    " from kodcode.questions where reason = 'contaminated'",
    # A question is as hard as its draw: a trial passes where its own draw is above that.
    "insert into kodcode.trials (question_id, attempt, provider, model, prompt_version, request_hash, solution, test,"
    " status, reason, verdict, outcomes, coverage, duration_s, peak_memory_mb, kill_rate, trust, run_id, updated_at)"
    " select subset || '_' || lpad((n / 4)::text, 8, '0'), a, 'openai', c.model, 'v' || n % 7, c.request_hash,"
    " repeat('def f(x): return x + 1 ', 20), repeat('assert f(1) == 2 ', 30),"
    " case when passed then 'accepted' else 'rejected' end, case when not passed then verdict end, verdict,"
    ' \'{"test_a": "passed", "test_b": "passed"}\', 80 + 20 * pg_temp.h(m, 3), pg_temp.h(m, 4), 40,'
    " case when passed then pg_temp.h(m, 5) end, case when passed then pg_temp.h(m, 6) end,"
    " 'run' || n * 100 / :questions, '2026-01-01'::timestamptz + m * interval '5 seconds'"
    " from generate_series(0::bigint, :questions - 1) n, generate_series(0, :attempts - 1) a,"
    " lateral (select (array['Leetcode', 'Apps', 'Taco', 'Docs'])[n % 4 + 1] as subset,"
    "   :questions + n * :attempts + a as m,"
    "   pg_temp.h(:questions + n * :attempts + a, 7) > pg_temp.h(n, 8) as passed) s,"
    " lateral (select md5(m::text) || md5((-m)::text) as request_hash,"
    "   case when m % 5 < 2 then 'small' else 'big' end as model,"
    "   case when passed then 'passed' else (array['failed', 'error', 'timed_out'])[m % 3 + 1] end as verdict) c",
    "insert into kodcode.triplets (triplet_id, question_id, subset, style, status, reason, question, solution, test,"
    " chosen_attempt, pass_count, trial_count, difficulty, pass_sequence, pass_at_k, coverage, kill_rate, consensus,"
    " stub_rejected, stable, trust, run_id, updated_at)"
    " select question_id || '_I', question_id, q.subset, 'instruct',"
    " case when passes > 0 then 'accepted' else 'rejected' end, case when passes = 0 then 'no_trial_passed' end,"
    " q.text, repeat('def f(x): return x + 1 ', 20), repeat('assert f(1) == 2 ', 30), chosen, passes, trials,"
    " case when passes = 0 then 'fail' when passes * 3 >= trials * 2 then 'easy' when passes * 3 >= trials"
    " then 'medium' else 'hard' end, sequence, array_fill(passes::float / trials, array[trials::int]),"
    " coverage, kill_rate, kill_rate, kill_rate > 0.1, true, trust, q.run_id, newest"
    " from kodcode.questions q join ("
    "   select question_id, count(*) as trials, count(*) filter (where status = 'accepted') as passes,"
    "   array_agg((status = 'accepted')::int::smallint order by attempt) as sequence,"
    "   min(attempt) filter (where status = 'accepted') as chosen, max(coverage) as coverage,"
    "   max(kill_rate) as kill_rate, max(trust) as trust, max(updated_at) as newest"
    "   from kodcode.trials group by question_id) t using (question_id)",
    # Both conversions of every verified question, of which a quarter is rejected, and one response.
    "insert into kodcode.triplets (triplet_id, question_id, subset, style, source_triplet_id, status, reason,"
    " question, solution, test, coverage, trust, provider, model, prompt_version, tries, run_id, updated_at)"
    " select question_id || letter, question_id, subset, to_style, triplet_id,"
    " case when kept then 'accepted' else 'rejected' end, case when not kept then 'leaks_solution' end, question,"
    " solution, test, coverage, trust, 'openai', 'big', 'c' || right(question_id, 1)::int % 3,"
    " jsonb_build_array(jsonb_build_object('attempt', 0, 'request_hash', md5(question_id || letter) || md5(letter))),"
    " run_id, updated_at"
    " from kodcode.triplets, (values ('_C', 'complete'), ('_O', 'online_judge')) as styles (letter, to_style),"
    " lateral (select hashtextextended(question_id || letter, 0) & 7 > 1 as kept) k"
    " where style = 'instruct' and status = 'accepted'",
    "insert into kodcode.responses (triplet_id, provider, model, attempt, status, reason, request_hash, run_id)"
    " select triplet_id, 'openai', 'r1', 0, case when kept then 'accepted' else 'rejected' end,"
    " case when not kept then 'failed' end, md5(triplet_id) || md5('r'), run_id from kodcode.triplets,"
    " lateral (select hashtextextended(triplet_id, 0) & 7 > 3 as kept) k"
    " where style = 'instruct' and status = 'accepted'",
    "insert into kodcode.llm_calls (request_hash, provider, model, stage, subset, attempt, sampling, prompt_key,"
    " answer_key, finish_reason, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, cost_usd,"
    " latency_s, retries, run_id, created_at)"
    " select request_hash, provider, model, stage, subset, 0, '{\"temperature\": 1}', 'k', 'k', 'stop', 900, 0, 700,"
    " 0, 0.004, 6, 0, run_id, updated_at from ("
    "   select tries -> 0 ->> 'request_hash' as request_hash, provider, model, 'convert' as stage, subset, run_id,"
    "   updated_at from kodcode.triplets where style <> 'instruct'"
    "   union all select r.request_hash, r.provider, r.model, 'respond', t.subset, r.run_id, t.updated_at"
    "   from kodcode.responses r join kodcode.triplets t using (triplet_id)) asked",
    "insert into kodcode.releases (release_id, content_hash, path, manifest, rows)"
    " select n, 'h' || n, 'p', '{\"files\": []}', 1 from generate_series(1, 2) n",
    "insert into kodcode.release_shards (shard_id, subset, first_number, last_number, files, origins, prompts, proven)"
    " select distinct format('%s-%s', subset, number / 1000), subset, number / 1000 * 1000,"
    " number / 1000 * 1000 + 999, '[]'::jsonb, '[]'::jsonb, '{}'::jsonb, '{}'::jsonb from kodcode.questions",
    "insert into kodcode.release_shard_rows (shard_id, format, split, triplet_ids)"
    " select format('%s-%s', q.subset, q.number / 1000), 'kodcode-v1', 'train', array_agg(triplet_id)"
    " from kodcode.triplets t join kodcode.questions q using (question_id) where t.status = 'accepted' group by 1",
    "insert into kodcode.release_parts (release_id, shard_id)"
    " select n, shard_id from kodcode.release_shards, generate_series(1, 2) n where n = 2 or subset < 'L'",
)


def draw(engine: Engine, trials: int) -> None:
    """Fill an empty migrated database: a fifth as many questions, a call for each question and trial, two releases."""
    values = {"questions": trials // TRIALS_A_QUESTION, "attempts": TRIALS_A_QUESTION}
    with engine.begin() as connection:
        # Foreign keys hold by the way it is drawn; checking six million of them, and counting row by row, is left out.
        connection.execute(text("set local session_replication_role = replica"))
        for statement in _STATEMENTS:
            connection.execute(text(statement), {name: v for name, v in values.items() if f":{name}" in statement})
        connection.execute(text("select kodcode.rebuild_rollup()"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze"))
