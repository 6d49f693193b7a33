-- Screening remembers accepted questions only, in vectors that can be compared, and a contamination reached its threshold.
select b.question_id as id, 'rejected, and later questions are compared with it' as problem
from kodcode.minhash_bands b join kodcode.questions q using (question_id)
where q.status = 'rejected' group by b.question_id
union all
select question_id, 'accepted without having been screened'
from kodcode.questions where status = 'accepted' and text_hash is null
union all
select model, 'vectors of ' || count(distinct octet_length(vector)) || ' lengths, the shortest of '
              || min(octet_length(vector)) || ' bytes'
from kodcode.embeddings group by model
having count(distinct octet_length(vector)) > 1 or min(octet_length(vector)) % 4 > 0 or min(octet_length(vector)) = 0
union all
select model, 'heads of ' || count(distinct octet_length(head)) || ' lengths'
from kodcode.vector_heads group by model having count(distinct octet_length(head)) > 1
union all
select h.model || '/' || h.subset || '/' || h.number, 'the head of a question that is not there'
from kodcode.vector_heads h left join kodcode.questions q using (subset, number) where q.question_id is null
union all
select question_id, 'contaminated by ' || item_id || ' with ' || value || ', below ' || threshold
from kodcode.contaminations where value < threshold
