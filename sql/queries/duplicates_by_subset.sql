-- How many proposals does deduplication cost, by subset and measure?
select subset, reason, count(*) as questions, avg(similarity) as mean_similarity,
       count(distinct duplicate_of) as originals
from questions where status = 'rejected' and reason like 'duplicate%'
group by subset, reason order by subset, questions desc
