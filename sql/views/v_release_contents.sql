-- One row a (release, format, split, subset, style, difficulty).
-- Counted by shard first, which several releases hold.
create or replace view kodcode.v_release_contents as
select p.release_id, c.format, c.split, c.subset, c.style, c.difficulty, sum(c.rows)::bigint as rows,
       sum(c.trust) / nullif(sum(c.trusts), 0) as mean_trust,
       sum(c.kill_rate) / nullif(sum(c.kill_rates), 0) as mean_kill_rate,
       sum(c.coverage) / nullif(sum(c.coverages), 0) as mean_coverage
from (
    select s.shard_id, s.format, s.split, t.subset, t.style, t.difficulty, count(*) as rows,
           sum(t.trust) as trust, count(t.trust) as trusts, sum(t.kill_rate) as kill_rate,
           count(t.kill_rate) as kill_rates, sum(t.coverage) as coverage, count(t.coverage) as coverages
    from kodcode.release_shard_rows s cross join unnest(s.triplet_ids) i(triplet_id)
    join kodcode.triplets t using (triplet_id)
    group by s.shard_id, s.format, s.split, t.subset, t.style, t.difficulty
) c join kodcode.release_parts p using (shard_id)
group by p.release_id, c.format, c.split, c.subset, c.style, c.difficulty;

comment on view kodcode.v_release_contents is 'What is in each release, and how good it is. Means are of the rows as they are known today.';
comment on column kodcode.v_release_contents.release_id is 'Number of the release.';
comment on column kodcode.v_release_contents.format is 'Layout of the files: kodcode-v1, sft ...';
comment on column kodcode.v_release_contents.split is 'train, incorrect or use_with_caution.';
comment on column kodcode.v_release_contents.subset is 'Generator that the question comes from.';
comment on column kodcode.v_release_contents.style is 'instruct, complete or online_judge.';
comment on column kodcode.v_release_contents.difficulty is 'easy, medium or hard; null for conversions, which take their question''s.';
comment on column kodcode.v_release_contents.rows is 'Triplets.';
comment on column kodcode.v_release_contents.mean_trust is 'Mean trust, 0 to 1; null where none was assessed.';
comment on column kodcode.v_release_contents.mean_kill_rate is 'Mean share of wrong solutions that the tests reject, 0 to 1.';
comment on column kodcode.v_release_contents.mean_coverage is 'Mean line coverage, percent.';
