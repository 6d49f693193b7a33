"""Trust against the truth: solvers of known quality, judged and assessed in the sandbox."""

from __future__ import annotations

import asyncio

import pytest

from tasks.sandbox import Sandbox
from tests.trust.simulation import GOOD_TEACHER, POOR_TEACHER, Quality, auc, curve, simulate

SEED = 20250302
SEEDS = (20250302, 20250303, 20250304)  # of the figures in tasks/trust/README.md; none was looked at before
THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


def test_trust_separates_right_from_wrong_pairs(sandbox: Sandbox) -> None:
    found = asyncio.run(simulate(sandbox, 12, GOOD_TEACHER, SEED))
    kinds = {one.answer.kind for one in found}
    assert {"right", "both wrong", "vacuous test"} <= kinds
    assert auc(found) >= 0.9
    assert all(one.assessment.trust == 0 for one in found if one.answer.kind == "vacuous test")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("quality", "stubborn", "least"),
    [
        pytest.param(GOOD_TEACHER, False, 0.9, id="good teacher"),
        pytest.param(POOR_TEACHER, False, 0.9, id="poor teacher"),
        # Where all wrong answers are wrong alike, agreement tells less: README.md in tasks/trust has the figures.
        pytest.param(GOOD_TEACHER, True, 0.8, id="good and stubborn teacher"),
        pytest.param(POOR_TEACHER, True, 0.6, id="poor and stubborn teacher"),
    ],
)
def test_trust_separates_as_well_as_the_teacher_lets_it(
    sandbox: Sandbox, quality: Quality, stubborn: bool, least: float, capsys: pytest.CaptureFixture[str]
) -> None:
    rounds = [asyncio.run(simulate(sandbox, 60, quality, seed, stubborn)) for seed in SEEDS]
    found = [one for part in rounds for one in part]
    with capsys.disabled():
        good = sum(one.answer.good for one in found)
        print(f"\n{good} good and {len(found) - good} bad pairs passed; AUC {auc(found):.3f}")
        print("by seed:", ", ".join(f"{auc(part):.3f}" for part in rounds))
        print("| trust at least | good pairs kept | bad pairs kept | good among kept |\n|---|---|---|---|")
        for row in curve(found, THRESHOLDS):
            print("| {:.2f} | {:.1%} | {:.1%} | {:.1%} |".format(*row))
    assert auc(found) >= least
