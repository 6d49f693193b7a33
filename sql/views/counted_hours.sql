-- What rollup_hours has to say, counted from the trials.
create or replace view kodcode.counted_hours as
select date_bin('1 hour', updated_at, '2000-01-01 00:00+00') as hour, count(*) as trials,
       count(*) filter (where status = 'accepted') as passes
from kodcode.trials where status in ('accepted', 'rejected') group by 1;

comment on view kodcode.counted_hours is 'Ended trials by hour, counted anew; rollup_hours holds the same sums.';
comment on column kodcode.counted_hours.hour is 'Beginning of the hour in which they ended, in UTC.';
comment on column kodcode.counted_hours.trials is 'Trials with a verdict.';
comment on column kodcode.counted_hours.passes is 'Of them, those that passed.';
