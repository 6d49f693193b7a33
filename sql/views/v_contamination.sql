-- One row a (subset, benchmark, measure): questions too near to the benchmark.
create or replace view kodcode.v_contamination as
select q.subset, c.benchmark, c.measure, count(*) as questions,
       count(*) filter (where q.status = 'rejected') as rejected,
       count(*) filter (where q.status = 'accepted') as cautioned,
       count(distinct c.item_id) as items, min(c.threshold) as threshold, avg(c.value) as mean_value,
       max(c.value) as highest_value
from kodcode.contaminations c join kodcode.questions q using (question_id)
group by q.subset, c.benchmark, c.measure;

comment on view kodcode.v_contamination is 'Questions too near to a benchmark, by what measure, and what became of them. One question may be in several rows.';
comment on column kodcode.v_contamination.subset is 'Generator that the question comes from.';
comment on column kodcode.v_contamination.benchmark is 'Name of the benchmark.';
comment on column kodcode.v_contamination.measure is 'cosine of embeddings, words or code in a row, weighted terms, or the reference solution.';
comment on column kodcode.v_contamination.questions is 'Questions whose nearest item by this measure is of this benchmark and reached the threshold.';
comment on column kodcode.v_contamination.rejected is 'Of these: rejected, for this or another reason.';
comment on column kodcode.v_contamination.cautioned is 'Of these: accepted, released in the split use_with_caution.';
comment on column kodcode.v_contamination.items is 'Different items of the benchmark that were met.';
comment on column kodcode.v_contamination.threshold is 'Lowest threshold that was in force.';
comment on column kodcode.v_contamination.mean_value is 'Mean likeness.';
comment on column kodcode.v_contamination.highest_value is 'Highest likeness.';
