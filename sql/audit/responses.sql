-- Every response answers an accepted triplet; a kept one passed, a judged one has its answer in the ledger.
select r.triplet_id || ':' || r.model || ':' || r.attempt as id,
       case when t.status <> 'accepted' then 'its triplet is ' || t.status
            when r.status = 'accepted' and r.verdict is distinct from 'passed' then 'kept with verdict ' || coalesce(r.verdict, 'none')
            when r.status = 'rejected' and r.verdict = 'passed' then 'rejected though it passed'
            else 'ended without an answer in the ledger' end as problem
from kodcode.responses r join kodcode.triplets t using (triplet_id)
where t.status <> 'accepted'
   or r.status = 'accepted' and r.verdict is distinct from 'passed'
   or r.status = 'rejected' and r.verdict = 'passed'
   or r.status in ('accepted', 'rejected') and r.request_hash is null and r.reason is distinct from 'refused'
