"""Heads come back as they were stored, however many blocks they are read in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sqlalchemy import Engine, text

from tasks.screening import HashedEmbedder, screen_subset, stored_heads


@pytest.mark.parametrize("block_rows", [1, 7, 4_096])
def test_blocks_hold_every_head_of_the_model_once(
    database: Engine, monkeypatch: pytest.MonkeyPatch, block_rows: int
) -> None:
    monkeypatch.setattr(stored_heads, "_BLOCK_ROWS", block_rows)
    generator = np.random.default_rng(1)
    stored = {
        (subset, number): generator.normal(size=129 if number != 13 else 65).astype(np.float16)
        for subset in ("Apps", "Evol", "Leetcode")
        for number in (0, 1, 2, 5, 13, 14, 15, 1_000, 70_000, 2_000_000_000)
    }
    with database.begin() as connection:
        stored_heads.add_heads(connection, "ours", list(stored), list(stored.values()))
        stored_heads.add_heads(connection, "other", [("Evol", 3), ("Taco", 1)], [np.zeros(129, np.float16)] * 2)
        for subset, expected in ((None, 30), ("Evol", 10), ("Taco", 0)):
            found = [
                ((name, number), head)
                for name, numbers, heads in stored_heads.stored_heads(connection, "ours", subset)
                for number, head in zip(numbers.tolist(), heads, strict=True)
            ]
            assert len(found) == expected
            assert len({place for place, _ in found}) == expected
            assert all((head == stored[place]).all() for place, head in found)


def test_missing_heads_are_those_of_accepted_questions_alone(
    database: Engine, propose: Callable[..., list[str]]
) -> None:
    propose(["Sort a list.", "Sort a list.", "Draw a circle with turtle graphics.", "Parse a date."])
    screen_subset(database, "Leetcode", HashedEmbedder())
    with database.begin() as connection:
        assert stored_heads.missing_heads(connection, "Leetcode", HashedEmbedder.name).tolist() == []
        assert stored_heads.missing_heads(connection, "Leetcode", "other").tolist() == [0, 2, 3]
        connection.execute(text("delete from kodcode.vector_heads where number = 2"))
        assert stored_heads.missing_heads(connection, "Leetcode", HashedEmbedder.name).tolist() == [2]
