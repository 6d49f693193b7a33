-- One row a (subset, difficulty) of the labelled questions.
create or replace view kodcode.v_difficulty as
select subset, difficulty, count(*) as questions,
       count(*) / sum(count(*)) over (partition by subset)::float as share,
       sum(pass_count)::float / nullif(sum(trial_count), 0) as pass_rate,
       avg(coverage) as mean_coverage, avg(kill_rate) as mean_kill_rate, avg(trust) as mean_trust
from kodcode.triplets
where style = 'instruct' and difficulty is not null
group by subset, difficulty;

comment on view kodcode.v_difficulty is 'How many labelled questions of each subset are easy, medium, hard or failed, and how good their tests are.';
comment on column kodcode.v_difficulty.subset is 'Generator that the question comes from.';
comment on column kodcode.v_difficulty.difficulty is 'easy from 2/3 passes, medium from 1/3, hard below, fail without any.';
comment on column kodcode.v_difficulty.questions is 'Labelled questions.';
comment on column kodcode.v_difficulty.share is 'Of the labelled questions of the subset, 0 to 1.';
comment on column kodcode.v_difficulty.pass_rate is 'Passes by trials over all these questions, 0 to 1.';
comment on column kodcode.v_difficulty.mean_coverage is 'Line coverage of the chosen solutions by their tests, percent; null for fail.';
comment on column kodcode.v_difficulty.mean_kill_rate is 'Wrong solutions that the chosen tests reject, 0 to 1; null where none were tried.';
comment on column kodcode.v_difficulty.mean_trust is 'Trust in the chosen pairs, 0 to 1; null where none was assessed.';
