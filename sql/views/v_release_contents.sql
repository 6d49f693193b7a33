-- One row a (release, format, split, subset, style, difficulty).
create or replace view kodcode.v_release_contents as
select i.release_id, i.format, i.split, t.subset, t.style, t.difficulty, count(*) as rows,
       avg(t.trust) as mean_trust, avg(t.kill_rate) as mean_kill_rate, avg(t.coverage) as mean_coverage
from kodcode.release_items i join kodcode.triplets t using (triplet_id)
group by i.release_id, i.format, i.split, t.subset, t.style, t.difficulty;

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
