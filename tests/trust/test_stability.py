"""A pair that holds under one hash seed only is not stable, and not to be trusted."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from tasks.sandbox import Sandbox
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
