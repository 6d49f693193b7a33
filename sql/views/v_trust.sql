-- One row a (subset, style, tenth of trust) of the accepted triplets: a histogram with what trust is made of.
create or replace view kodcode.v_trust as
select subset, style, case when trust < 1 then floor(trust * 10 + 1e-9) / 10 when trust = 1 then 0.9 end as trust_from,
       count(*) as triplets, avg(consensus) as mean_consensus, avg(kill_rate) as mean_kill_rate,
       avg(stub_rejected::int)::float as stub_rejected, avg(stable::int)::float as stable,
       avg(coverage) as mean_coverage
from kodcode.triplets
where status = 'accepted'
group by 1, 2, 3;

comment on view kodcode.v_trust is 'How far the accepted triplets can be believed: a histogram of trust with its parts, by subset and style.';
comment on column kodcode.v_trust.subset is 'Generator that the question comes from.';
comment on column kodcode.v_trust.style is 'instruct, complete or online_judge.';
comment on column kodcode.v_trust.trust_from is 'Lower end of the tenth (0.9 holds 1 too); null: not assessed.';
comment on column kodcode.v_trust.triplets is 'Accepted triplets.';
comment on column kodcode.v_trust.mean_consensus is 'Agreement with the question''s other trials, 0 to 1; null where there were none.';
comment on column kodcode.v_trust.mean_kill_rate is 'Wrong solutions that the tests reject, 0 to 1; null where none were tried.';
comment on column kodcode.v_trust.stub_rejected is 'Share whose test rejects a solution that does nothing, of those tried, 0 to 1.';
comment on column kodcode.v_trust.stable is 'Share that passed in every order, day and seed tried, of those tried, 0 to 1.';
comment on column kodcode.v_trust.mean_coverage is 'Line coverage of the solutions by their tests, percent.';
