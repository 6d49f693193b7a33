-- Which accepted triplets are in no release?
-- param rows int = 50: rows to show
select t.triplet_id, t.subset, t.style, t.difficulty, t.trust, t.updated_at
from triplets t
where t.status = 'accepted' and not exists (
    select 1 from (select unnest(triplet_ids) as triplet_id from release_shard_rows) r where r.triplet_id = t.triplet_id
)
order by t.updated_at desc, t.triplet_id limit :rows
