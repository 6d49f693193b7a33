-- Every proposed question is accepted, rejected for a reason, failed for a reason, or pending; what it collided with exists.
select question_id as id,
       case when status = 'accepted' and text is null then 'accepted without a text'
            when status = 'accepted' and request_hash is null then 'accepted without an answer in the ledger'
            when reason like 'duplicate%' and duplicate_of is null then 'a duplicate of nothing'
            when reason = 'contaminated' and benchmark_item is null then 'contaminated by nothing' end as problem
from kodcode.questions
where status = 'accepted' and (text is null or request_hash is null)
   or reason like 'duplicate%' and duplicate_of is null
   or reason = 'contaminated' and benchmark_item is null
union all
select d.question_id, 'a duplicate of ' || d.duplicate_of || ', which is ' || o.status
from kodcode.questions d join kodcode.questions o on o.question_id = d.duplicate_of
where d.status = 'rejected' and o.status <> 'accepted'
