"""The prompts of the subsets as they are sent, written out in `snapshots/` to be read and reviewed.

A change of a prompt, of a subset's sampling or of how seeds are shown fails here until the snapshots are made anew:

    KODCODE_RENEW_SNAPSHOTS=1 ./kodcode test tests/subsets/test_snapshots.py

and the difference stands in the commit beside the change that made it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tasks.llm.types import Request
from tasks.subsets import SUBSETS, Seed, Subset, annotate_request, propose_request

SNAPSHOTS = Path(__file__).with_name("snapshots")
RENEW = "KODCODE_RENEW_SNAPSHOTS"
SEEDS = {
    "problem": [
        Seed("Given a list of prices, return the largest profit of one purchase and one later sale.", "shop"),
        Seed("Given two words, return the fewest edits that turn one into the other.", "shop"),
        Seed("Given a grid of 0 and 1, count the islands of 1.", "shop"),
    ],
    "instruction": [Seed("Use `itertools` to list all pairs of two lists whose sum is even.", "shop")],
    "snippet": [Seed("def gcd(a, b):\n    while b:\n        a, b = b, a % b\n    return a", "sums.py:gcd", "v1")],
    "page": [Seed("heapq.merge\n\nMerge several sorted inputs into one sorted output.", "heapq", "3.11")],
}
QUESTION = "Write `double(x: int) -> int` that returns twice its argument."


def written(title: str, request: Request) -> str:
    """A request as a section: what is set beside the text, then the text."""
    sampling = {name: getattr(request.sampling, name) for name in request.sampling.__dataclass_fields__}
    where = "completions" if request.prompt is not None else "chat"
    text = request.prompt if request.prompt is not None else request.messages[0].content
    return f"# {title}: {where}, {json.dumps(sampling)}\n\n````\n{text}\n````\n"


def snapshot(spec: Subset) -> str:
    seeds = SEEDS[spec.seed_kind][: spec.seeds_per_prompt] if spec.seed_kind else []
    shapes = (True, False) if spec.endpoint == "completions" else (False,)
    parts = [
        written("Proposal", propose_request(spec, seeds, 0, "openai", "teacher", has_completions)[0])
        for has_completions in shapes
    ]
    if spec.annotated:
        parts.append(written("Annotation", annotate_request(QUESTION, 0, "openai", "teacher", spec.name)[0]))
    return "\n".join(parts)


@pytest.mark.parametrize("spec", SUBSETS.values(), ids=SUBSETS)
def test_the_prompt_is_the_reviewed_one(spec: Subset) -> None:
    file = SNAPSHOTS / f"{spec.slug}.md"
    if os.environ.get(RENEW):
        file.write_text(snapshot(spec), "utf-8")
    assert snapshot(spec) == file.read_text("utf-8"), f"the prompt of {spec.name} changed; if meant, set {RENEW}=1"


def test_there_is_a_snapshot_a_subset_and_no_other() -> None:
    assert {file.stem for file in SNAPSHOTS.iterdir()} == {spec.slug for spec in SUBSETS.values()}
