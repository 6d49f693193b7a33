"""How many rows of each stage are where."""

from __future__ import annotations

from sqlalchemy import Engine, text

STATUSES = ("pending", "accepted", "rejected", "failed")


def stages(engine: Engine) -> list[tuple[str, int, int, int, int]]:
    """(stage, pending, accepted, rejected, failed) of every stage that has rows."""
    query = text("select stage, status, sum(rows)::bigint as rows from kodcode.v_stages group by 1, 2")
    counts: dict[str, dict[str, int]] = {}
    with engine.connect() as connection:
        for row in connection.execute(query):
            counts.setdefault(row.stage, {})[row.status] = row.rows
    return [
        (stage, *(counts[stage].get(status, 0) for status in STATUSES))  # type: ignore[misc]
        for stage in sorted(counts)
    ]
