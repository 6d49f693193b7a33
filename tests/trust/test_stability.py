"""A pair that holds under one hash seed only is not stable, and not to be trusted."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace

from tasks.sandbox import Job, Sandbox, Verdict, VerdictKind
from tasks.solve import verdict_columns
from tasks.trust import assess
from tests.trust.simulation import judged

WORDS = ["fig", "kiwi", "plum", "pear", "quince", "medlar", "sloe", "lime"]
UNIQUE = "def unique(words):\n    return list({})\n"


def test_the_order_of_a_set_is_found_out_by_another_hash_seed(sandbox: Sandbox) -> None:
    printed = subprocess.run(
        [sys.executable, "-c", f"print(list(set({WORDS})))"],
        env={"PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    test = f"def test_it():\n    assert unique({WORDS}) == "
    by_set, by_dict = (UNIQUE.format(kept) for kept in ("set(words)", "dict.fromkeys(words)"))
    lucky = asyncio.run(judged(sandbox, "lucky", [(by_set, test + printed + "\n")]))
    sound = asyncio.run(judged(sandbox, "sound", [(by_dict, f"{test}{WORDS}\n    assert unique(set()) == []\n")]))
    assert lucky[0].passed
    found, other = (asyncio.run(assess(pairs, sandbox.judge)).trials[0] for pairs in (lucky, sound))
    assert found.evidence["again"]["other hash seed"] is False
    assert (found.stable, found.trust) == (False, 0)
    assert other.evidence["again"] == {"reversed": True, "alone": True, "repeated": True, "other hash seed": True}
    assert other.trust > 0


def test_a_pass_that_was_confirmed_is_not_confirmed_again(sandbox: Sandbox) -> None:
    jobs: list[Job] = []

    async def judge(job: Job) -> Verdict:
        jobs.append(job)
        return await sandbox.judge(job)

    test = f"def test_it():\n    assert unique({WORDS}) == {WORDS}\n    assert unique(set()) == []\n"
    (pair,) = asyncio.run(judged(sandbox, "sound", [(UNIQUE.format("dict.fromkeys(words)"), test)]))
    told = [
        asyncio.run(assess([replace(pair, confirmed=confirmed)], judge)).trials[0].evidence["again"]
        for confirmed in (False, True)
    ]
    assert told[0] == told[1]
    assert [job.id for job in jobs if job.confirm] == ["question:hash"]


def test_a_trial_keeps_whether_its_pass_was_confirmed() -> None:
    plain, confirmed = Job("a", "", confirm=False), Job("a", "", confirm=True)
    passed, failed = Verdict("a", VerdictKind.PASSED, apart=False), Verdict("a", VerdictKind.FAILED)
    kept = [verdict_columns(job, verdict)["apart"] for job in (plain, confirmed) for verdict in (passed, failed)]
    assert kept == [None, None, False, None]
