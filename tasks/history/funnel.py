"""The funnel by subset, as the demo's table, its JSON and Prefect's artifacts show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, bindparam, text

from tasks.subsets import SUBSETS


@dataclass(frozen=True, slots=True)
class FunnelRow:
    """Counts of one subset (view v_funnel); cost_usd is None where a price is unknown."""

    proposed: int = 0
    duplicates: int = 0
    contaminated: int = 0
    verified: int = 0
    easy: int = 0
    medium: int = 0
    hard: int = 0
    failed: int = 0
    complete: int = 0
    online_judge: int = 0
    responses_kept: int = 0
    cost_usd: float | None = 0.0


COLUMNS = tuple(FunnelRow.__dataclass_fields__)


def funnel(engine: Engine, subsets: Sequence[str]) -> dict[str, FunnelRow]:
    """The funnel of these subsets, in the registry's order; zeros where nothing was proposed yet."""
    query = text(
        f"select subset, {', '.join(COLUMNS)} from kodcode.v_funnel where subset in :subsets"  # noqa: S608
    ).bindparams(bindparam("subsets", expanding=True))
    with engine.connect() as connection:
        found = {row.subset: row for row in connection.execute(query, {"subsets": list(subsets)})}
    return {name: _row(found.get(name)) for name in SUBSETS if name in subsets}


def _row(found: object) -> FunnelRow:
    if found is None:
        return FunnelRow()
    values = {name: getattr(found, name) for name in COLUMNS}
    cost = values.pop("cost_usd")
    return FunnelRow(**values, cost_usd=None if cost is None else float(cost))
