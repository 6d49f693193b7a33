-- One row a (release, format, triplet). Of one question, ask release_shard_rows by its subset and number: this view reads all.
create or replace view kodcode.release_items as
select r.release_id, s.format, unnest(s.triplet_ids) as triplet_id, s.split
from kodcode.release_parts r join kodcode.release_shard_rows s using (shard_id);

comment on view kodcode.release_items is 'Which triplet is in which split of which format of which release.';
comment on column kodcode.release_items.release_id is 'Number of the release.';
comment on column kodcode.release_items.format is 'Layout of the files: kodcode-v1, sft ...';
comment on column kodcode.release_items.triplet_id is 'The triplet that the row was made from.';
comment on column kodcode.release_items.split is 'train, incorrect or use_with_caution.';
