-- A release holds as many rows as its manifest says, and every row of it was accepted.
select r.release_id::text as id, 'says ' || r.rows || ' rows, lists ' || coalesce(sum(cardinality(s.triplet_ids)), 0) as problem
from kodcode.releases r left join kodcode.release_parts h using (release_id)
left join kodcode.release_shard_rows s on s.shard_id = h.shard_id and s.format = 'kodcode-v1'
group by r.release_id, r.rows
having r.rows <> coalesce(sum(cardinality(s.triplet_ids)), 0)
union all
select h.release_id || '/' || i.triplet_id, 'released though ' || t.status
from (select shard_id, unnest(triplet_ids) as triplet_id from kodcode.release_shard_rows) i
join kodcode.triplets t using (triplet_id) join kodcode.release_parts h using (shard_id)
where t.status <> 'accepted'
union all
select i.release_id || '/' || i.format, 'lists rows of a format that its manifest does not have'
from (select distinct release_id, format from kodcode.release_items) i join kodcode.releases r using (release_id)
where not exists (select from jsonb_array_elements(r.manifest -> 'files') f where f ->> 'format' = i.format)
union all
select r.release_id::text, 'follows release ' || r.parent_id || ', which is not older'
from kodcode.releases r where r.parent_id >= r.release_id
