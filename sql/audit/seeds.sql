-- Every seed that a question was made from is there, and is one of its subset, or the file that it was imported from.
select q.question_id as id,
       'made from the seed ' || named.seed_id || ', which is ' || coalesce('one of ' || s.subset, 'not there') as problem
from kodcode.questions q cross join lateral unnest(q.seed_ids) as named (seed_id)
left join kodcode.seeds s using (seed_id)
where s.subset is distinct from case when q.provider = 'imported' then 'imported' else q.subset end
