"""One worker's hold on a shard: claim, begin, keep, fence, finish or give back."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tasks.store import machine, this_start

Result = TypeVar("Result")

# A shard whose workers were lost so many times running, without one of its rows ending, is dead.
MOST_ATTEMPTS = 3

log = logging.getLogger(__name__)


class LeaseLost(Exception):
    """Another worker has the shard, or nobody: what is still written for it is refused."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A claimed shard. `rows` are the keys of its rows, some of which may have ended under an earlier worker."""

    shard_id: int
    token: int
    stage: str
    work: Mapping[str, Any]
    rows: Sequence[str]
    lease_s: float


def owner() -> str:
    """This process, as leases name it."""
    return owner_of(machine(), os.getpid(), this_start())


def owner_of(host: str, pid: int, start: float) -> str:
    """A process, as leases name it: MACHINE:START:PID."""
    return f"{host}:{start:.0f}:{pid}"


# SKIP LOCKED: two claims never wait for each other, and never get the same shard.
_CLAIM = text("""
update kodcode.shards s
set status = 'leased', owner = :owner, token = s.token + 1, attempts = s.attempts + 1,
    reason = case when s.status = 'leased' then 'the worker ' || s.owner || ' was lost' else s.reason end,
    claimed_at = clock_timestamp(), lease_until = clock_timestamp() + make_interval(secs => :lease_s)
where shard_id = (
    select shard_id from kodcode.shards
    where :run_id = any(wanted_by) and (cast(:shard_ids as bigint[]) is null or shard_id = any(:shard_ids))
      and (status = 'open' or status = 'leased' and lease_until < clock_timestamp())
    order by shard_id limit 1 for update skip locked)
returning shard_id, token, stage, work, rows
""")
_MINE = "shard_id = :shard_id and token = :token and status = 'leased'"
_BEGIN = text(f"""
update kodcode.shards
set attempts = case when :remaining < remaining then 1 else attempts end, remaining = :remaining
where {_MINE} returning attempts
""")  # noqa: S608 (constants)
_DIE = text(f"""
update kodcode.shards
set status = 'dead', lease_until = null, finished_at = clock_timestamp(), reason = concat_ws(
    '; ', :attempts || ' workers were lost or failed, and none of its ' || :remaining || ' open rows ended', reason)
where {_MINE}
""")  # noqa: S608
# A worker that is frozen in the midst of a transaction would hold its locks, and the shard with them, for as long.
_NOT_IDLE = "set_config('idle_in_transaction_session_timeout', cast(:idle_ms as text), true)"
_RENEW = text(f"""
update kodcode.shards set lease_until = clock_timestamp() + make_interval(secs => :lease_s)
where {_MINE} returning {_NOT_IDLE}
""")  # noqa: S608
# FOR SHARE: the shard cannot be taken over before the transaction that asked has ended.
_FENCE = text(f"select {_NOT_IDLE} from kodcode.shards where {_MINE} for share")  # noqa: S608
_FINISH = text(f"""
update kodcode.shards
set status = 'done', rows = '{{}}', lease_until = null, finished_at = clock_timestamp(), reason = null
where {_MINE}
""")  # noqa: S608
_GIVE_BACK = text(f"""
update kodcode.shards
set status = 'open', lease_until = null, reason = :reason, attempts = attempts - :forgiven where {_MINE}
""")  # noqa: S608
_EXPIRE = text("""
update kodcode.shards set lease_until = clock_timestamp() - interval '1 second'
where status = 'leased' and owner = any(:owners)
""")


def claim(engine: Engine, run_id: str, lease_s: float, shard_ids: Sequence[int] | None = None) -> Lease | None:
    """A shard that the run waits for and nobody works on, the oldest first; of `shard_ids` where they are given."""
    parameters = {
        "owner": owner(), "run_id": run_id, "lease_s": lease_s,
        "shard_ids": None if shard_ids is None else list(shard_ids),
    }  # fmt: skip
    with engine.begin() as connection:
        row = connection.execute(_CLAIM, parameters).one_or_none()
    return None if row is None else Lease(row.shard_id, row.token, row.stage, row.work, tuple(row.rows), lease_s)


def begin(engine: Engine, lease: Lease, remaining: int) -> bool:
    """Say how many rows are still open before working on them. False where the shard is dead now.

    Rows that ended since the last worker began take back the attempts until then: what stops workers from outside
    does not make a shard look deadly as long as it goes forward. Raises LeaseLost.
    """
    with engine.begin() as connection:
        parameters = _key(lease) | {"remaining": remaining}
        attempts = connection.execute(_BEGIN, parameters).scalar_one_or_none()
        if attempts is None:
            raise _lost(lease)
        if attempts <= MOST_ATTEMPTS:
            return True
        connection.execute(_DIE, _key(lease) | {"attempts": str(attempts - 1), "remaining": str(remaining)})
    return False


def fence(connection: Connection, lease: Lease) -> None:
    """To be called first in every transaction that writes a row of the shard. Raises LeaseLost."""
    if connection.execute(_FENCE, _key(lease) | _idle(lease)).one_or_none() is None:
        raise _lost(lease)


def finish(engine: Engine, lease: Lease) -> None:
    """The shard is worked through. Raises LeaseLost."""
    with engine.begin() as connection:
        if connection.execute(_FINISH, _key(lease)).rowcount == 0:
            raise _lost(lease)


def give_back(engine: Engine, lease: Lease, reason: str | None = None, *, counted: bool = False) -> None:
    """Leave the shard to whoever claims it next; no harm where it is lost. `counted`: the shard was at fault."""
    with engine.begin() as connection:
        connection.execute(_GIVE_BACK, _key(lease) | {"reason": reason, "forgiven": 0 if counted else 1})


def expire(connection: Connection, owners: Sequence[str]) -> None:
    """End the leases of workers that are known to be gone."""
    if owners:
        connection.execute(_EXPIRE, {"owners": list(owners)})


async def keep(engine: Engine, lease: Lease, work: Coroutine[Any, Any, Result]) -> Result:
    """Do `work` while the lease is renewed. Raises LeaseLost, with the work cancelled, where another has the shard.

    A database that does not answer is no reason to stop: until somebody takes the shard over, it is held.
    """
    working = asyncio.ensure_future(work)
    renewing = asyncio.create_task(_renew(engine, lease))
    try:
        await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            working.cancel()
            await asyncio.wait({working})
            await renewing  # raises
        return await working
    finally:
        renewing.cancel()
        working.cancel()
        await asyncio.wait({working, renewing})


async def _renew(engine: Engine, lease: Lease) -> None:
    while True:
        await asyncio.sleep(lease.lease_s / 3)
        try:
            await asyncio.to_thread(_renew_once, engine, lease)
        except (DBAPIError, PoolTimeout) as error:
            log.warning("The lease of shard %d could not be renewed: %s", lease.shard_id, type(error).__name__)


def _renew_once(engine: Engine, lease: Lease) -> None:
    with engine.begin() as connection:
        renewed = connection.execute(_RENEW, _key(lease) | _idle(lease) | {"lease_s": lease.lease_s})
        if renewed.one_or_none() is None:
            raise _lost(lease)


def _key(lease: Lease) -> dict[str, Any]:
    return {"shard_id": lease.shard_id, "token": lease.token}


def _idle(lease: Lease) -> dict[str, Any]:
    return {"idle_ms": str(int(1000 * lease.lease_s))}


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(f"Shard {lease.shard_id} of stage {lease.stage} is no longer this worker's.")
