-- Every trial belongs to an accepted question, has an answer in the ledger once it ended (or came from a file), and a verdict that fits its status.
select t.question_id || ':' || t.attempt as id,
       case when q.status <> 'accepted' then 'its question is ' || q.status
            when t.status in ('accepted', 'rejected') and t.request_hash is null and t.reason is distinct from 'refused' and t.provider is distinct from 'imported' then 'ended without an answer in the ledger'
            when t.status = 'accepted' and t.verdict is distinct from 'passed' then 'accepted with verdict ' || coalesce(t.verdict, 'none')
            when t.status = 'rejected' and t.verdict = 'passed' then 'rejected though it passed'
            when t.verdict is not null and (t.solution is null or t.test is null) then 'a verdict on nothing' end as problem
from kodcode.trials t join kodcode.questions q using (question_id)
where q.status <> 'accepted'
   or t.status in ('accepted', 'rejected') and t.request_hash is null and t.reason is distinct from 'refused' and t.provider is distinct from 'imported'
   or t.status = 'accepted' and t.verdict is distinct from 'passed'
   or t.status = 'rejected' and t.verdict = 'passed'
   or t.verdict is not null and (t.solution is null or t.test is null)
