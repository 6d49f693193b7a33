"""Shards: how the open rows of a stage are shared between workers, of which any may die, and between runs.

A run plans its open rows (`plan`): those in no shard are cut into new ones, those in a shard that another living run
waits for are shared with it. Workers `claim` a shard at a time, for a lease that is renewed while they live, with a
token that is checked in the transaction of every row they write (`fence`): a lost worker's shard is taken over when
its lease ends, and a slow one's late writes are refused. All times are the database's.
"""

from tasks.shards.leases import (
    MOST_ATTEMPTS,
    Lease,
    LeaseLost,
    begin,
    claim,
    expire,
    fence,
    finish,
    give_back,
    keep,
    owner,
    owner_of,
)
from tasks.shards.planning import Counts, Planned, close, counts, left_behind, plan, retry_dead, shard_size

__all__ = [
    "MOST_ATTEMPTS",
    "Counts",
    "Lease",
    "LeaseLost",
    "Planned",
    "begin",
    "claim",
    "close",
    "counts",
    "expire",
    "fence",
    "finish",
    "give_back",
    "keep",
    "left_behind",
    "owner",
    "owner_of",
    "plan",
    "retry_dead",
    "shard_size",
]
