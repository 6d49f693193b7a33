-- Which accepted triplets have tests that let wrong solutions pass?
-- param below float = 0.5: kill rate under which a test is weak
-- param style text = instruct: instruct, complete or online_judge
-- param rows int = 50: rows to show
select triplet_id, subset, kill_rate, stub_rejected, stable, consensus, coverage, trust
from triplets
where status = 'accepted' and style = :style and (kill_rate < :below or stub_rejected is false)
order by kill_rate nulls first, triplet_id limit :rows
