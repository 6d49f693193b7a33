-- Which accepted triplets of high coverage are least to be trusted?
-- param coverage float = 95: percent of lines at least
-- param rows int = 50: rows to show
select triplet_id, subset, trust, coverage, consensus, kill_rate, stub_rejected, stable
from triplets
where status = 'accepted' and style = 'instruct' and coverage >= :coverage and trust is not null
order by trust, triplet_id limit :rows
