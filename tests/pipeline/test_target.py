"""`--target-verified` through the real command line, with the canned teacher."""

from __future__ import annotations

import json

import pytest

from tests.pipeline.conftest import Workplace

RUN = (
    "run", "--provider", "offline", "--subset", "evol", "--attempts", "2", "--responses", "1", "--style", "complete",
    "--timeout", "5",
)  # fmt: skip


@pytest.mark.slow
def test_questions_are_proposed_until_so_many_are_verified(workplace: Workplace) -> None:
    outcome = json.loads(workplace.kodcode(*RUN, "--target-verified", "2", "--json").stdout)["subsets"]["Evol"]
    assert outcome["verified"] >= 2
    asked = workplace.rows("select request_hash from kodcode.llm_calls order by 1")
    workplace.kodcode(*RUN, "--target-verified", "2")
    assert workplace.rows("select request_hash from kodcode.llm_calls order by 1") == asked
    # The canned teacher knows four questions, one of them a duplicate: it cannot give five.
    said = workplace.kodcode(*RUN, "--target-verified", "5")
    assert "of 5 verified, no more: 3 rounds of proposals gave no new question." in said.stdout + said.stderr
    assert workplace.rows("select * from kodcode.trials where status in ('pending', 'failed')") == []
    workplace.kodcode("audit")
