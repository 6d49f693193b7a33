-- What did each release gain on the one before?
-- param format text = kodcode-v1: layout that is counted
select release_id, sum(rows)::bigint as rows, (sum(rows) - lag(sum(rows)) over (order by release_id))::bigint as gained,
       sum(rows) filter (where split = 'use_with_caution')::bigint as with_caution,
       sum(rows * mean_trust) / nullif(sum(rows) filter (where mean_trust is not null), 0) as mean_trust
from v_release_contents where format = :format
group by release_id order by release_id
