-- A release holds as many rows as its manifest says, and every row of it was accepted.
select r.release_id::text as id, 'says ' || r.rows || ' rows, lists ' || coalesce(sum(cardinality(s.triplet_ids)), 0) as problem
from kodcode.releases r left join kodcode.release_shards h using (release_id)
left join kodcode.shard_rows s on s.shard_id = h.shard_id and s.format = 'kodcode-v1'
group by r.release_id, r.rows
having r.rows <> coalesce(sum(cardinality(s.triplet_ids)), 0)
union all
select h.release_id || '/' || i.triplet_id, 'released though ' || t.status
from (select shard_id, unnest(triplet_ids) as triplet_id from kodcode.shard_rows) i
join kodcode.triplets t using (triplet_id) join kodcode.release_shards h using (shard_id)
where t.status <> 'accepted'
