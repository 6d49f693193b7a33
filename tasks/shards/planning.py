"""Which rows are in which shard, and which runs wait for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, bindparam, insert, text
from sqlalchemy.dialects.postgresql import JSONB

from tasks.store.schema import Shard

TARGET_S = 600.0  # what a shard shall take; between the 5 and 15 minutes that cost neither much overhead nor much loss
_UNMEASURED = 500
_SMALLEST, _LARGEST = 20, 5_000
_SHARES = 2  # shards a worker, at least: so that one that is ready early takes over from the others


@dataclass(frozen=True, slots=True)
class Planned:
    """What became of a run's open rows: `shard_ids` hold them, but for `elsewhere`, which other living runs work on in
    their own way or among rows of their own, and for those in `dead` shards."""

    shard_ids: tuple[int, ...]
    elsewhere: frozenset[str]
    dead: frozenset[str]


@dataclass(frozen=True, slots=True)
class LeftShard:
    """A shard that is not done, and for which no living run waits."""

    shard_id: int
    token: int
    rows: Sequence[str]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of some shards are where, for one run. `vanished`: what another run adopted, because this one seemed
    lost, or what was freed by `retry_dead`: their rows are to be planned again."""

    unfinished: int
    rows_left: int
    vanished: int


_UNFINISHED = text("select shard_id, rows from kodcode.shards where stage = :stage and status <> 'done'")
_WAITED_FOR = """exists (
           select from kodcode.runs r where r.run_id = any(s.wanted_by) and r.run_id <> :run_id
             and r.status = 'running' and r.alive_until > clock_timestamp())"""
_FOUND = text(f"""
select shard_id, rows, status, work = :work as same,
       coalesce(lease_until > clock_timestamp(), false) or {_WAITED_FOR} as living
from kodcode.shards s
where shard_id = any(:ids) and status <> 'done'
order by shard_id for update
""").bindparams(bindparam("work", type_=JSONB))  # noqa: S608 (constants)
_SHARE = text("""
update kodcode.shards set wanted_by = array_append(array_remove(wanted_by, :run_id), :run_id)
where shard_id = any(:ids)
""")
# A higher token: whoever still works on it, though nobody living waits for that, has lost it.
_ADOPT = text("""
update kodcode.shards
set rows = :rows, work = :work, wanted_by = array[:run_id], token = token + 1, status = 'open', lease_until = null
where shard_id = :shard_id
""").bindparams(bindparam("work", type_=JSONB))
_LEFT = text(f"""
select shard_id, token, rows from kodcode.shards s
where stage = :stage and status in ('open', 'leased') and not {_WAITED_FOR}
""")  # noqa: S608
# No rows were left to its last worker, as far as the time that a row takes is concerned.
_CLOSE = text("""
update kodcode.shards
set status = 'done', rows = '{}', remaining = 0, lease_until = null, finished_at = clock_timestamp(), reason = null
where shard_id = :shard_id and token = :token and status in ('open', 'leased')
""")
_COUNTS = text("""
select count(*) filter (where status in ('open', 'leased')) as unfinished,
       coalesce(sum(cardinality(rows)) filter (where status in ('open', 'leased')), 0) as rows_left,
       cardinality(cast(:ids as bigint[])) - count(*) as vanished
from kodcode.shards where shard_id = any(:ids) and :run_id = any(wanted_by)
""")
_MEASURED = text("""
select sum(extract(epoch from finished_at - claimed_at))::float / sum(remaining) as row_s
from (select finished_at, claimed_at, remaining from kodcode.shards
      where stage = :stage and status = 'done' and remaining > 0 order by finished_at desc limit 20) as last
""")
_RETRY = text("""
delete from kodcode.shards
where status = 'dead' and (cast(:ids as bigint[]) is null or shard_id = any(:ids)) returning cardinality(rows) as rows
""")


def plan(engine: Engine, run_id: str, stage: str, work: Mapping[str, Any], rows: Sequence[str], size: int) -> Planned:
    """See that every row is in a shard, new ones of at most `size` consecutive rows; a second call changes nothing.

    A shard that a living run waits for is shared where its work is the same and all its rows are wanted here too. One
    that nobody living waits for is adopted with the attempts that it has had: its rows that are wanted here, with the
    work that is wanted here; its other rows have ended, or are left to whoever plans them.
    """
    wanted = set(rows)
    ids: list[int] = []
    shared: list[int] = []
    elsewhere: set[str] = set()
    dead: set[str] = set()
    with engine.begin() as connection:
        # One planner a stage at a time: that a row is in one unfinished shard at most rests on it.
        connection.execute(text("select pg_advisory_xact_lock(hashtext(:name))"), {"name": f"kodcode shards {stage}"})
        content = json.loads(json.dumps(work))  # as JSON has it, where tuples are lists
        run = {"run_id": run_id, "work": content}
        taken: set[str] = set()
        # Compared here: the database would compare every row with every row.
        unfinished = connection.execute(_UNFINISHED, {"stage": stage}).all()
        of_interest = [shard.shard_id for shard in unfinished if not wanted.isdisjoint(shard.rows)]
        for shard in connection.execute(_FOUND, run | {"ids": of_interest}).all():
            mine = [row for row in shard.rows if row in wanted]
            taken.update(mine)
            if shard.status == "dead":
                dead.update(mine)
            elif not shard.living:
                connection.execute(_ADOPT, run | {"shard_id": shard.shard_id, "rows": mine})
                ids.append(shard.shard_id)
            elif shard.same and len(mine) == len(shard.rows):
                shared.append(shard.shard_id)
            else:
                elsewhere.update(mine)
        connection.execute(_SHARE, {"run_id": run_id, "ids": shared})
        free = [row for row in rows if row not in taken]
        new = [
            {"stage": stage, "work": content, "rows": free[start : start + size], "wanted_by": [run_id]}
            for start in range(0, len(free), size)
        ]
        if new:
            ids += connection.scalars(insert(Shard).returning(Shard.shard_id), new)
    return Planned((*shared, *ids), frozenset(elsewhere), frozenset(dead))


def left_behind(engine: Engine, run_id: str, stage: str) -> list[LeftShard]:
    """The shards of a stage that are neither done nor dead, and for which no living run but this one waits."""
    with engine.connect() as connection:
        rows = connection.execute(_LEFT, {"stage": stage, "run_id": run_id}).all()
    return [LeftShard(row.shard_id, row.token, tuple(row.rows)) for row in rows]


def close(engine: Engine, shard: LeftShard) -> None:
    """Say that a shard is done whose rows have all ended; no harm where somebody has claimed or adopted it since."""
    with engine.begin() as connection:
        connection.execute(_CLOSE, {"shard_id": shard.shard_id, "token": shard.token})


def counts(engine: Engine, run_id: str, shard_ids: Sequence[int]) -> Counts:
    """How far these shards are, of those that the run waits for still."""
    with engine.connect() as connection:
        row = connection.execute(_COUNTS, {"run_id": run_id, "ids": list(shard_ids)}).one()
    return Counts(row.unfinished, row.rows_left, row.vanished)


def shard_size(engine: Engine, stage: str, rows: int, workers: int = 1) -> int:
    """Rows a shard of this stage: what took TARGET_S lately, but enough shards that all workers have some."""
    with engine.connect() as connection:
        row_s = connection.scalar(_MEASURED, {"stage": stage})
    size = _UNMEASURED if not row_s else int(TARGET_S / row_s)
    size = max(_SMALLEST, min(_LARGEST, size))
    return size if workers == 1 else max(1, min(size, -(-rows // (_SHARES * workers))))


def retry_dead(engine: Engine, shard_ids: Sequence[int] | None = None) -> tuple[int, int]:
    """Free the rows of dead shards, all or these, for the next run; returns how many shards and rows."""
    with engine.begin() as connection:
        ids = None if shard_ids is None else list(shard_ids)
        freed = connection.scalars(_RETRY, {"ids": ids}).all()
    return len(freed), sum(freed)
