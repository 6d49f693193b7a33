-- Which prompt version gives most accepted rows per dollar?
-- param stage text = solve: propose, solve or convert
-- param subset text = null: one subset only
-- param least int = 20: rows that a version must have
select subset, provider, model, prompt_version, rows, accepted, acceptance, cost_usd, accepted_per_usd
from v_prompt_versions
where stage = :stage and (:subset is null or subset = :subset) and rows >= :least
order by accepted_per_usd desc nulls last, acceptance desc
