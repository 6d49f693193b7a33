"""Which signal catches which bad pair, beside two honest trials of the same question."""

from __future__ import annotations

import asyncio

import pytest

from tasks.sandbox import Sandbox
from tasks.trust import Assessed, assess
from tests.trust.bad_pairs import BAD_PAIRS, HONEST, BadPair
from tests.trust.simulation import judged

LOW = 0.5  # consensus and kill rate below this count as a warning


async def assessed(sandbox: Sandbox, bad: BadPair) -> tuple[frozenset[str], Assessed]:
    """The signals against a bad pair (attempt 0), and all of the question's assessments."""
    candidates = await judged(sandbox, "bad", [(bad.solution, bad.test), *HONEST[bad.task]])
    assert all(candidate.passed for candidate in candidates[1:])
    found = await assess(candidates, sandbox.judge, job_id="bad")
    if not candidates[0].passed:
        return frozenset({"judge"}), found
    own = found.trials[0]
    signals = set(own.evidence["signs"])
    if own.consensus is not None and own.consensus < LOW:
        signals.add("consensus")
    if own.kill_rate is not None and own.kill_rate < LOW:
        signals.add("kill rate")
    return frozenset(signals), found


# Every fourth kind in the suite of every day, all in the slow one.
TABLE = [
    pytest.param(bad, id=bad.kind, marks=() if number % 4 == 0 else pytest.mark.slow)
    for number, bad in enumerate(BAD_PAIRS)
]


@pytest.mark.parametrize("bad", TABLE)
def test_a_bad_pair_is_caught_by_what_the_table_says(sandbox: Sandbox, bad: BadPair) -> None:
    signals, found = asyncio.run(assessed(sandbox, bad))
    assert signals == bad.caught_by
    if 0 in found.trials:
        honest = min(found.trials[1].trust, found.trials[2].trust)
        assert found.trials[0].trust < honest
