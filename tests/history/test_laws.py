"""Laws of sql/audit on the history of conftest.py: it breaks none of them, and each sees what was made to break it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

LAWS = Path(__file__).resolve().parents[2] / "sql" / "audit"
BATCH = (
    "insert into kodcode.llm_batches (batch_id, provider, endpoint, path, model, status, worker_id, fence, ended_at,"
    " provider_batch_id) values ('b', 'openai', 'e', '/v1', 'big', 'collected', '', 1, now(), 'theirs');"
)


def broken(connection: Connection, law: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text((LAWS / f"{law}.sql").read_text("utf-8")))]


@pytest.fixture
def sound(told: Engine) -> Iterator[Connection]:
    """The history with what the laws ask of it besides, in a transaction that is not committed."""
    with told.connect() as connection, connection.begin() as transaction:
        connection.exec_driver_sql("update kodcode.questions set text_hash = 'h'")
        connection.exec_driver_sql(
            "update kodcode.triplets t set question = q.text from kodcode.questions q"
            " where q.question_id = t.question_id and t.style = 'instruct'"
        )
        connection.exec_driver_sql(
            """update kodcode.releases set manifest = '{"files": [{"format": "kodcode-v1"}]}'"""
        )
        yield connection
        transaction.rollback()


@pytest.mark.parametrize(
    ("law", "change", "offender", "said"),
    [
        ("batches", BATCH + "update kodcode.llm_batches set ended_at = null", "b", "collected without a time"),
        ("batches", BATCH + "update kodcode.llm_batches set provider_batch_id = null", "b", "the provider's id"),
        ("batches", BATCH + "insert into kodcode.llm_batch_requests values ('b', 'k', 'solve', 'Evol', 'open')", "b/k",
         "open in a batch that is collected"),
        ("batches", BATCH + "insert into kodcode.llm_batch_requests values ('b', 'k', 'solve', 'Evol', 'answered')",
         "b/k", "without an answer in the ledger"),
        ("batches", BATCH + "insert into kodcode.llm_leases (request_hash, worker_id, batch_id, stage, subset,"
         " reserved_usd) values ('r', '', 'b', 'solve', 'Evol', 1)", "r", "which is collected"),
        ("labels", "update kodcode.triplets set question = 'other' where triplet_id = 'Evol_00000001_I'",
         "Evol_00000001", "asks something else"),
        ("runs", "update kodcode.runs set finished_at = null", "night", "completed without an end"),
        ("runs", "insert into kodcode.llm_spending values ('run:night/stage:solve', 4)", "run:night/stage:solve",
         "spent $4.00000000, its answers cost $3.90000000"),
        ("screening", "insert into kodcode.minhash_bands values ('Evol_00000003', 1), ('Evol_00000003', 2)",
         "Evol_00000003", "rejected, and later questions"),
        ("screening", "update kodcode.questions set text_hash = null where number = 1", "Evol_00000001",
         "without having been screened"),
        ("screening", "insert into kodcode.embeddings values ('m', 'a', '\\x01020304'), ('m', 'b', '\\x0102')", "m",
          "vectors of 2 lengths"),
        ("screening", "insert into kodcode.vector_heads values ('m', 'Evol', 99, '\\x01')", "m/Evol/99", "not there"),
        ("screening", "update kodcode.contaminations set value = 0.1 where measure = 'words'", "Evol_00000004",
         "with 0.1, below 0.3"),
        ("seeds", "update kodcode.questions set seed_ids = '{s9}' where number = 1", "Evol_00000001",
         "s9, which is not"),
        ("releases", "insert into kodcode.release_shard_rows values ('s', 'sft', 'train', '{Evol_00000000_I}')",
         "1/sft", "a format that its manifest does not have"),
        ("releases", "update kodcode.releases set parent_id = 1", "1", "follows release 1"),
    ],
)  # fmt: skip
def test_a_law_names_what_breaks_it(sound: Connection, law: str, change: str, offender: str, said: str) -> None:
    assert broken(sound, law) == []
    sound.exec_driver_sql(change)
    ((found, problem),) = broken(sound, law)
    assert found == offender
    assert said in problem
