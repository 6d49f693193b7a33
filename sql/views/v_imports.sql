-- One row an imported file: what became of its rows, and what its pairs are worth here beside what it says of them.
create or replace view kodcode.v_imports as
with rows as (
    select import_id, count(*) as rows, count(*) filter (where status = 'stored') as stored,
           count(*) filter (where status = 'skipped') as skipped, count(*) filter (where status = 'bad') as bad
    from kodcode.import_rows group by import_id
), asked as (
    select import_id, question_id,
           max(case when jsonb_typeof(claim -> 'pass_sequence') = 'array' then
               (select count(*) from jsonb_array_elements(claim -> 'pass_sequence') as told where told = '1')
           end) as claimed_passes
    from kodcode.import_rows where status = 'stored' group by import_id, question_id
), judged as (
    select question_id, count(*) as trials, count(*) filter (where status = 'accepted') as passed,
           count(*) filter (where status in ('pending', 'failed')) as open_trials
    from kodcode.trials where provider = 'imported' group by question_id
), questions as (
    select a.import_id, count(*) as questions, count(*) filter (where q.reason like 'duplicate%') as duplicates,
           count(*) filter (where q.reason = 'contaminated') as contaminated,
           count(*) filter (where q.status = 'accepted') as accepted,
           coalesce(sum(j.trials), 0)::bigint as trials, coalesce(sum(j.passed), 0)::bigint as passed,
           coalesce(sum(j.open_trials), 0)::bigint as open_trials,
           (sum(a.claimed_passes) filter (where q.status = 'accepted'))::bigint as claimed_passes,
           count(t.triplet_id) as verified
    from asked a
    join kodcode.questions q using (question_id)
    left join judged j using (question_id)
    left join kodcode.triplets t on t.question_id = a.question_id and t.style = 'instruct' and t.status = 'accepted'
    group by a.import_id
)
select i.import_id, i.path, i.name, i.layout, i.licence, i.status, coalesce(r.rows, 0) as rows,
       coalesce(r.stored, 0) as stored, coalesce(r.skipped, 0) as skipped, coalesce(r.bad, 0) as bad,
       coalesce(q.questions, 0) as questions, coalesce(q.duplicates, 0) as duplicates,
       coalesce(q.contaminated, 0) as contaminated, coalesce(q.accepted, 0) as accepted,
       coalesce(q.trials, 0) as trials, coalesce(q.passed, 0) as passed, coalesce(q.open_trials, 0) as open_trials,
       coalesce(q.verified, 0) as verified, q.claimed_passes, i.run_id, i.created_at
from kodcode.imports i
left join rows r using (import_id)
left join questions q using (import_id);

comment on view kodcode.v_imports is 'One row an imported file: what became of its rows, and what its pairs are worth here beside what it says of them.';
comment on column kodcode.v_imports.import_id is 'Hash of the file''s content and of how it is read.';
comment on column kodcode.v_imports.path is 'Where the file was.';
comment on column kodcode.v_imports.name is 'The model of its questions, and of the trials whose model it does not name.';
comment on column kodcode.v_imports.layout is 'kodcode (KodCode-V1, KodCode-V1-SFT) or plain.';
comment on column kodcode.v_imports.licence is 'As who imported it stated it.';
comment on column kodcode.v_imports.status is 'reading, read (verdicts are still open), completed.';
comment on column kodcode.v_imports.rows is 'Rows read: stored + skipped + bad.';
comment on column kodcode.v_imports.stored is 'Rows that are a question here.';
comment on column kodcode.v_imports.skipped is 'Rows whose question the pipeline proposed itself.';
comment on column kodcode.v_imports.bad is 'Rows that cannot be used; import_rows says why.';
comment on column kodcode.v_imports.questions is 'Different questions among the stored rows, those of other files too included.';
comment on column kodcode.v_imports.duplicates is 'Of these: rejected as exact, MinHash or semantic duplicates.';
comment on column kodcode.v_imports.contaminated is 'Of these: rejected for their likeness to a benchmark problem.';
comment on column kodcode.v_imports.accepted is 'Of these: passed the screens.';
comment on column kodcode.v_imports.trials is 'Imported trials of these questions.';
comment on column kodcode.v_imports.passed is 'Of these: passed here.';
comment on column kodcode.v_imports.open_trials is 'Of these: without a verdict yet.';
comment on column kodcode.v_imports.verified is 'Questions with a trial whose solution passes its test here.';
comment on column kodcode.v_imports.claimed_passes is 'Passes that the file claims of the accepted questions; null where it claims nothing. Nothing is taken from it.';
comment on column kodcode.v_imports.run_id is 'The run that read it first.';
comment on column kodcode.v_imports.created_at is 'When that began.';
