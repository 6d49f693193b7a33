-- Every proposed question is accepted, rejected for a reason, failed for a reason, or pending; what it collided with, and who judged it, is there; its id is of its subset and number, as releases trust.
select question_id as id,
       case when status = 'accepted' and text is null then 'accepted without a text'
            when status = 'accepted' and request_hash is null and provider <> 'imported' then 'accepted without an answer in the ledger'
            when reason like 'duplicate%' and duplicate_of is null then 'a duplicate of nothing'
            when reason = 'contaminated' and benchmark_item is null then 'contaminated by nothing' end as problem
from kodcode.questions
where status = 'accepted' and (text is null or request_hash is null and provider <> 'imported')
   or reason like 'duplicate%' and duplicate_of is null
   or reason = 'contaminated' and benchmark_item is null
union all
select d.question_id, 'a duplicate of ' || d.duplicate_of || ', which is ' || o.status
from kodcode.questions d join kodcode.questions o on o.question_id = d.duplicate_of
where d.status = 'rejected' and o.status <> 'accepted'
union all
-- What the annotator said has its answer in the ledger, and no question of Filter that was proposed here gets by without it.
select question_id, case when annotation_hash is null then 'annotated without an answer in the ledger'
                         else 'judged by an answer of stage ' || coalesce(c.stage, 'none') end
from kodcode.questions left join kodcode.llm_calls c on c.request_hash = annotation_hash
where annotation_hash is null
      and num_nonnulls(annotated_category, annotated_difficulty, annotated_clarity) > 0
   or annotation_hash is not null and c.stage is distinct from 'annotate'
union all
select question_id, 'a question of Filter that nobody annotated'
from kodcode.questions where subset = 'Filter' and status = 'accepted' and annotation_hash is null and provider <> 'imported'
union all
-- A caution says what was found, and what was found about an accepted question is a caution.
select q.question_id, case when q.caution is null then 'too near to ' || f.item_id || ' and accepted without a caution'
                           else 'a caution about nothing that was found' end
from kodcode.questions q
left join lateral (select item_id from kodcode.contaminations c where c.question_id = q.question_id limit 1) f on true
where q.status = 'accepted' and (q.caution is null) <> (f.item_id is null)
union all
select question_id, 'the id of another number or subset'
from kodcode.questions where question_id <> subset || '_' || lpad(number::text, greatest(8, length(number::text)), '0')
