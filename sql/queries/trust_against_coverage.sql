-- Does coverage say anything about trust?
-- param subset text = null: one subset only
select subset, least(floor(coverage / 10), 9) * 10 as coverage_from, count(*) as triplets,
       avg(trust) as mean_trust, avg(kill_rate) as mean_kill_rate, avg(consensus) as mean_consensus
from triplets
where status = 'accepted' and style = 'instruct' and coverage is not null and (:subset is null or subset = :subset)
group by 1, 2 order by 1, 2
