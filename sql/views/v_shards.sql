-- One row an unfinished shard: who works on it, until when it is theirs, and why it is dead.
create or replace view kodcode.v_shards as
select shard_id, stage,
       case when status = 'leased' and lease_until < clock_timestamp() then 'lost' else status end as status,
       cardinality(rows) as rows, attempts, regexp_replace(owner, '/.*:', ':') as owner,
       case when status = 'leased' then extract(epoch from clock_timestamp() - claimed_at)::float end as working_s,
       case when status = 'leased' then extract(epoch from lease_until - clock_timestamp())::float end as lease_left_s,
       reason, wanted_by, rows[1] as first_row
from kodcode.shards
where status <> 'done';

comment on view kodcode.v_shards is 'Unfinished shards: rows of a stage that one worker takes at a time.';
comment on column kodcode.v_shards.shard_id is 'Number; kodcode retry takes it.';
comment on column kodcode.v_shards.stage is 'propose, solve, assess, convert or respond.';
comment on column kodcode.v_shards.status is 'open, leased, lost (its lease is over: the next worker takes it), or dead (waits for kodcode retry).';
comment on column kodcode.v_shards.rows is 'Rows in it, those that have ended meanwhile included.';
comment on column kodcode.v_shards.attempts is 'Workers that had it since one of its rows last ended.';
comment on column kodcode.v_shards.owner is 'HOST:PID of the last worker.';
comment on column kodcode.v_shards.working_s is 'Seconds since that worker took it.';
comment on column kodcode.v_shards.lease_left_s is 'Seconds until it is taken for lost, unless it renews its lease; negative where it is.';
comment on column kodcode.v_shards.reason is 'Why it was given up last, or is dead.';
comment on column kodcode.v_shards.wanted_by is 'Runs that wait for it.';
comment on column kodcode.v_shards.first_row is 'Key of its first row.';
