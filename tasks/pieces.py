"""The pieces that releases are cut into, which keep their place, and a fingerprint of what is in each.

A piece is a range of questions of one subset, so that a new question changes one of them and no other. Its fingerprint
is taken by the database from ids and times of change, without a join and without reading a text but those of the
benchmarks, which are few: what belongs to a question has its id, whose beginning names the range.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

QUESTIONS_A_SHARD = 1_000  # whose ids differ in their last three digits


@dataclass(frozen=True, slots=True)
class Piece:
    """What belongs into one shard: `rows` triplets of questions whose ids are `place` and three digits. `chosen` is a
    hash of which these are, `content` of all that rows of such questions could be made from."""

    subset: str
    place: str
    rows: int
    chosen: int
    content: str

    @property
    def name(self) -> str:
        """Sorts as the rows do within a subset."""
        return f"{self.subset}-{self.first_number // QUESTIONS_A_SHARD:05d}"

    @property
    def first_number(self) -> int:
        return int(self.place.rpartition("_")[2]) * QUESTIONS_A_SHARD

    @property
    def fingerprint(self) -> str:
        """All that a shard of it depends on, but for how it is written. `Piece.of` reads it again."""
        return f"{self.rows} {self.chosen} {self.content}"

    @classmethod
    def of(cls, subset: str, first_number: int, fingerprint: str) -> Piece:
        """The piece of this fingerprint, which was kept with its shard."""
        rows, chosen, content = fingerprint.split(" ", 2)
        return cls(subset, f"{subset}_{first_number // QUESTIONS_A_SHARD:05d}", int(rows), int(chosen), content)

    @property
    def last_number(self) -> int:
        return self.first_number + QUESTIONS_A_SHARD - 1


@contextmanager
def same_snapshot(engine: Engine, snapshot: str) -> Iterator[Connection]:
    """Another connection that sees what the transaction does whose snapshot this is, but for its own writes."""
    with engine.begin() as connection:
        connection.execute(text("set transaction isolation level repeatable read read only"))
        connection.exec_driver_sql(f"set transaction snapshot '{snapshot}'")
        yield connection


def snapshot_of(connection: Connection) -> str:
    """The name of this transaction's snapshot, for as long as it lasts."""
    return str(connection.scalar(text("select pg_export_snapshot()")))


# Everything that a row of a range can be made from has a hash, be it chosen or not; those of a range are combined
# without order. Answers in the ledger and texts by hash never change, so that the rows which name them are enough.
# The items of benchmarks have no time of change, and text_hash is that of the normalised text, while rows show the
# text itself: it is hashed. One object holds all hashes; joined, they would keep the plan from being parallel, or a
# text would be hashed once a question.
_CONTENTS = """
select place, count(*) || ' ' || bit_xor(hashtextextended(
           name, interval_hash_extended(updated_at - timestamptz 'epoch', attempt))) as content
from (
    select left(question_id, -3) as place, question_id || coalesce((
               select jsonb_object_agg(benchmark || ' ' || item_id, md5(text)) from kodcode.benchmark_items
           ) ->> (benchmark || ' ' || benchmark_item), '') as name, -1 as attempt, updated_at
    from kodcode.questions
    union all
    select left(question_id, -3), triplet_id, -1, updated_at from kodcode.triplets
    union all
    select left(question_id, -3), question_id, attempt, updated_at from kodcode.trials
    union all
    select left(triplet_id, -5), concat_ws(' ', triplet_id, provider, model), attempt, updated_at
    from kodcode.responses where status in ('accepted', 'rejected')
    union all
    select left(q.question_id, -3), concat_ws(' ', q.question_id, s.seed_id, s.source, s.licence), -1, q.updated_at
    from kodcode.questions q, unnest(q.seed_ids) as used(seed_id) join kodcode.seeds s using (seed_id)
    union all
    select left(question_id, -3), concat_ws(' ', question_id, measure, benchmark), -1, 'epoch'
    from kodcode.contaminations
) l group by 1
"""


def contents(engine: Engine, snapshot: str) -> dict[str, str]:
    """By place, a hash of all that rows of its questions could be made from, chosen or not."""
    with same_snapshot(engine, snapshot) as connection:
        # Two processes: with more, the choice beside it would wait for a core, and end after this.
        connection.execute(text("set local max_parallel_workers_per_gather = 1"))
        return {row.place: row.content for row in connection.execute(text(_CONTENTS))}
