"""The life of a row, of the history in conftest.py."""

from __future__ import annotations

from sqlalchemy import Engine

from tasks.history import why


def test_a_row_tells_in_which_releases_it_is(told: Engine) -> None:
    listed = why(told, "Evol_00000000_C")["releases"]
    assert [(row["release_id"], row["format"], row["triplet_id"], row["split"]) for row in listed] == [
        (1, "kodcode-v1", "Evol_00000000_C", "train"),
        (1, "kodcode-v1", "Evol_00000000_I", "train"),
    ]
    assert why(told, "Evol_00000001_I")["releases"] == []
