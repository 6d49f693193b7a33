-- One row a (subset, k): the share of questions of which one of k attempts passes.
create or replace view kodcode.v_pass_at_k as
with alike as (
    -- Few lists of estimates are different: so many there are of trials and passes.
    select subset, pass_at_k, trial_count, count(*) as questions
    from kodcode.triplets where style = 'instruct' and status in ('accepted', 'rejected')
    group by subset, pass_at_k, trial_count
)
select subset, k::int as k, sum(questions)::bigint as questions, sum(questions * estimate) / sum(questions)::float as pass_at_k,
       min(trial_count) as fewest_trials, max(trial_count) as most_trials
from alike, unnest(pass_at_k) with ordinality as estimates (estimate, k)
group by subset, k;

comment on view kodcode.v_pass_at_k is 'pass@k by subset: the mean of the unbiased estimates of all labelled questions with at least k trials.';
comment on column kodcode.v_pass_at_k.subset is 'Generator that the question comes from.';
comment on column kodcode.v_pass_at_k.k is 'Attempts drawn.';
comment on column kodcode.v_pass_at_k.questions is 'Labelled questions with at least k trials: those that the mean is over.';
comment on column kodcode.v_pass_at_k.pass_at_k is 'Mean estimate, 0 to 1 (Chen et al. 2021). Unbiased where fewest_trials = most_trials: trials that stop at a pass are no fixed number.';
comment on column kodcode.v_pass_at_k.fewest_trials is 'Fewest trials that one of these questions has.';
comment on column kodcode.v_pass_at_k.most_trials is 'Most trials that one of these questions has.';
