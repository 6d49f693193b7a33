"""How fast each stage goes, by its shards of the last hour, when its open rows will be done, and what was spent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, text

_PACE = text("""
with measured as (
    select stage, sum(remaining) as rows,
           extract(epoch from clock_timestamp() - min(claimed_at)) as span_s
    from kodcode.shards where status = 'done' and finished_at > clock_timestamp() - interval '1 hour' group by 1
), ahead as (
    select stage, coalesce(sum(rows) filter (where status <> 'dead'), 0) as rows,
           count(*) filter (where status = 'open') as open, count(*) filter (where status = 'leased') as leased,
           count(*) filter (where status = 'lost') as lost, count(*) filter (where status = 'dead') as dead
    from kodcode.v_shards group by 1
)
select stage, ahead.open, ahead.leased, ahead.lost, ahead.dead, ahead.rows::bigint as rows_left,
       (measured.rows / nullif(measured.span_s, 0) * 60)::float as rows_per_minute,
       (ahead.rows * measured.span_s / nullif(measured.rows, 0))::float as eta_s
from ahead left join measured using (stage) order by 1
""")
# Of a whole day in UTC, as budgets of a day are.
_SPENT = text("""
select coalesce(sum(spent_usd), 0)::float from kodcode.llm_spending
where scope = 'day:' || to_char(now() at time zone 'utc', 'YYYY-MM-DD')
""")


@dataclass(frozen=True, slots=True)
class Pace:
    """The unfinished shards of a stage by status, and at what pace they get fewer. None: nothing was measured."""

    stage: str
    open: int
    leased: int
    lost: int
    dead: int
    rows_left: int
    rows_per_minute: float | None
    eta_s: float | None


def paces(engine: Engine) -> list[Pace]:
    """Of every stage with unfinished shards."""
    with engine.connect() as connection:
        return [Pace(**row._mapping) for row in connection.execute(_PACE)]


def workers(engine: Engine) -> list[dict[str, Any]]:
    """Who works on what, and which shards are dead and why."""
    query = text(
        "select shard_id, stage, status, rows, attempts, owner, working_s, lease_left_s, reason from kodcode.v_shards "
        "where status <> 'open' order by status, shard_id limit 50"
    )
    with engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(query)]


def spent_today(engine: Engine) -> float:
    """Dollars that all runs have paid since midnight UTC, where prices are known."""
    with engine.connect() as connection:
        return float(connection.execute(_SPENT).scalar_one())
