-- A converted triplet comes from an accepted instruct triplet; a rejected one says what each try lacked.
select t.triplet_id as id,
       case when s.triplet_id is null then 'converted from nothing'
            when s.status <> 'accepted' then 'its source is ' || s.status
            else 'rejected without a try' end as problem
from kodcode.triplets t
left join kodcode.triplets s on s.triplet_id = t.source_triplet_id and s.style = 'instruct'
where t.style <> 'instruct'
  and (s.triplet_id is null or s.status <> 'accepted'
       or t.status = 'rejected' and coalesce(jsonb_array_length(t.tries), 0) = 0)
