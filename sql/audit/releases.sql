-- A release holds as many rows as its manifest says, and every row of it was accepted.
select r.release_id::text as id,
       'says ' || r.rows || ' rows, lists ' || count(i.triplet_id) filter (where i.format = 'kodcode-v1') as problem
from kodcode.releases r left join kodcode.release_items i using (release_id)
group by r.release_id, r.rows
having r.rows <> count(i.triplet_id) filter (where i.format = 'kodcode-v1')
union all
select i.release_id || '/' || i.triplet_id, 'released though ' || t.status
from kodcode.release_items i join kodcode.triplets t using (triplet_id)
where t.status <> 'accepted'
union all
select i.release_id || '/' || i.format, 'lists rows of a format that its manifest does not have'
from (select distinct release_id, format from kodcode.release_items) i join kodcode.releases r using (release_id)
where not exists (select from jsonb_array_elements(r.manifest -> 'files') f where f ->> 'format' = i.format)
union all
select r.release_id::text, 'follows release ' || r.parent_id || ', which is not older'
from kodcode.releases r where r.parent_id >= r.release_id
