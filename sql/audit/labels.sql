-- A question whose trials have all ended has one instruct triplet, whose counts are those of the trials, whose question is its own and whose pair passed.
with ended as (
    select question_id, count(*) as trials, count(*) filter (where status = 'accepted') as passes,
           bool_and(status in ('accepted', 'rejected')) as all_ended
    from kodcode.trials group by question_id
)
select e.question_id as id,
       case when i.triplet_id is null then 'all trials ended, not labelled'
            when i.trial_count <> e.trials then 'labelled from ' || i.trial_count || ' of ' || e.trials || ' trials'
            when i.pass_count <> e.passes then 'labelled with ' || i.pass_count || ' passes, has ' || e.passes
            when (i.status = 'accepted') <> (e.passes > 0) then 'status ' || i.status || ' with ' || e.passes || ' passes'
            when i.question is distinct from q.text then 'the triplet asks something else'
            when c.verdict is distinct from 'passed' then 'the chosen trial did not pass'
            else 'the triplet is not the chosen trial''s pair' end as problem
from ended e
join kodcode.questions q using (question_id)
left join kodcode.triplets i on i.question_id = e.question_id and i.style = 'instruct'
left join kodcode.trials c on c.question_id = i.question_id and c.attempt = i.chosen_attempt
where e.all_ended
  and (i.triplet_id is null or i.trial_count <> e.trials or i.pass_count <> e.passes
       or (i.status = 'accepted') <> (e.passes > 0)
       or i.status = 'accepted'
          and (c.verdict is distinct from 'passed'
               or (q.text, c.solution, c.test) is distinct from (i.question, i.solution, i.test)))
