-- Which model passes most often, and which gives the cheapest pass?
-- param subset text = null: one subset only
-- param least int = 20: trials that a model must have made
select subset, provider, model, trials, pass_rate, pass_low, pass_high, mean_trust, usd_per_pass
from v_model_comparison
where (:subset is null or subset = :subset) and trials >= :least
order by subset, pass_rate desc
