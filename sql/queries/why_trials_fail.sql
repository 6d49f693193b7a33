-- Why do trials fail, by model?
-- param subset text = null: one subset only
-- param stage text = trial: question, trial, response, 'triplet complete' ...
select subset, provider, model, status, reason, rows, share, example
from v_failures
where stage = :stage and (:subset is null or subset = :subset)
order by rows desc
