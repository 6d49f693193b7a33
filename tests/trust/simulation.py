"""Questions whose solvers are of known quality, run through the judge and the trust engine.

A solver writes one of five kinds of answer, with known probabilities; which kind it was is the truth that trust is
held against. Only answers that the judge passes are compared: telling those apart is what trust is for.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from tasks.sandbox import Job, Sandbox
from tasks.trust import Assessment, Candidate, assess
from tests.trust.problems import PROBLEMS, Problem

Kind = Literal["right", "wrong solution", "wrong test", "both wrong", "vacuous test"]
Quality = dict[Kind, float]  # probabilities, adding up to 1

GOOD_TEACHER: Quality = {
    "right": 0.55, "wrong solution": 0.12, "wrong test": 0.08, "both wrong": 0.15, "vacuous test": 0.1,
}  # fmt: skip
POOR_TEACHER: Quality = {
    "right": 0.3, "wrong solution": 0.2, "wrong test": 0.1, "both wrong": 0.25, "vacuous test": 0.15,
}  # fmt: skip
ATTEMPTS = (3, 6)
_CALLS = (3, 7)  # of the solution in a test
_LOOKS = 300  # for an input that tells two solutions apart
_QUESTIONS_AT_ONCE = 4


@dataclass(frozen=True)
class Answer:
    """What a solver wrote. `good`: the solution is right, every claim of the test is true, and there are claims."""

    kind: Kind
    solution: str
    test: str
    good: bool


@dataclass(frozen=True)
class Judged:
    """An answer that passed, with what trust says of it."""

    question: str
    answer: Answer
    assessment: Assessment


def question(rng: random.Random, quality: Quality, stubborn: bool = False) -> tuple[str, list[Answer]]:
    """A question's name, and the answers of its attempts. A stubborn solver is wrong in one way only."""
    problem = rng.choice(PROBLEMS)
    numbers = {"a": rng.randint(2, 7), "b": rng.randint(2, 6)}
    if stubborn:
        truth = _loaded(problem.right[0].format(**numbers), problem.name)
        lies = [(wrong, _loaded(wrong.format(**numbers), problem.name)) for wrong in problem.wrong]
        wrong = [text for text, lie in lies if _telling(rng, problem, truth, lie) is not None]
        problem = replace(problem, wrong=(rng.choice(wrong),))
    kinds = rng.choices(list(quality), list(quality.values()), k=rng.randint(*ATTEMPTS))
    return f"{problem.name}({numbers['a']}, {numbers['b']})", [answer(rng, kind, problem, numbers) for kind in kinds]


def answer(rng: random.Random, kind: Kind, problem: Problem, numbers: dict[str, int]) -> Answer:
    right = rng.choice(problem.right).format(**numbers)
    truth = _loaded(right, problem.name)
    telling = None
    while telling is None:  # with some numbers a wrong solution is right; each problem has others
        wrong = rng.choice(problem.wrong).format(**numbers)
        lie = _loaded(wrong, problem.name)
        telling = _telling(rng, problem, truth, lie)
    calls = [problem.inputs(rng) for _ in range(rng.randint(*_CALLS))]
    match kind:
        case "right":
            return Answer(kind, right, _test(rng, problem.name, truth, calls), good=True)
        case "wrong solution":
            return Answer(kind, wrong, _test(rng, problem.name, truth, calls), good=False)
        case "wrong test":
            return Answer(kind, right, _test(rng, problem.name, lie, [telling, *calls]), good=False)
        case "both wrong":
            return Answer(kind, wrong, _test(rng, problem.name, lie, [telling, *calls]), good=False)
        case "vacuous test":
            solution = rng.choice([right, wrong])
            return Answer(kind, solution, _vacuous(rng, problem.name, calls), good=False)


def _loaded(source: str, name: str) -> Callable[..., Any]:
    space: dict[str, Any] = {}
    exec(source, space)
    return space[name]  # type: ignore[no-any-return]


def _outcome(function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    try:
        return function(*(list(value) if isinstance(value, list) else value for value in arguments))
    except (ArithmeticError, LookupError, ValueError) as error:
        return type(error)


def _telling(rng: random.Random, problem: Problem, truth: Callable[..., Any], lie: Callable[..., Any]) -> Any:
    """An input on which the two differ, so that a wrong answer is wrong about something that it says."""
    for _ in range(_LOOKS):
        arguments = problem.inputs(rng)
        if _outcome(truth, arguments) != _outcome(lie, arguments):
            return arguments
    return None


def _test(rng: random.Random, name: str, function: Callable[..., Any], calls: Iterable[Sequence[Any]]) -> str:
    """A test that claims what `function` returns, in one of the forms that models write."""
    claims = []
    for arguments in calls:
        shown = ", ".join(map(repr, arguments))
        expected = _outcome(function, arguments)
        claims.append((f"{name}({shown})", expected))
    told = [(call, value) for call, value in claims if not isinstance(value, type)]
    raised = [(call, value.__name__) for call, value in claims if isinstance(value, type)]
    form = rng.choice(["functions", "one", "parametrize", "class"])
    lines = [f"from solution import {name}", "import pytest", ""]
    if form == "functions":
        for number, (call, value) in enumerate(told):
            lines += [f"def test_{number}():", f"    assert {call} == {value!r}", ""]
    elif form == "one" and told:
        lines += [f"def test_{name}():", *(f"    assert {call} == {value!r}" for call, value in told), ""]
    elif form == "class" and told:
        lines += [f"class Test{name.title()}:"]
        for number, (call, value) in enumerate(told):
            lines += [f"    def test_{number}(self):", f"        assert {call} == {value!r}", ""]
    elif told:
        rows = ", ".join(f"(lambda: {call}, {value!r})" for call, value in told)
        lines += [f"@pytest.mark.parametrize('call, expected', [{rows}])", "def test_all(call, expected):"]
        lines += ["    assert call() == expected", ""]
    for number, (call, error) in enumerate(raised):
        lines += [f"def test_raises_{number}():", f"    with pytest.raises({error}):", f"        {call}", ""]
    return "\n".join(lines)


def _vacuous(rng: random.Random, name: str, calls: Sequence[Sequence[Any]]) -> str:
    call = f"{name}({', '.join(map(repr, calls[0]))})"
    bodies = [
        f"result = {call}\n    print(result)",
        f"result = {call}\n    assert result == result",
        f"try:\n        assert {call} == 'something else'\n    except Exception:\n        pass",
        f"assert callable({name})",
        f"assert {name} is not None",
    ]
    return f"from solution import {name}\n\ndef test_{name}():\n    {rng.choice(bodies)}\n"


async def simulate(sandbox: Sandbox, count: int, quality: Quality, seed: int, stubborn: bool = False) -> list[Judged]:
    """`count` questions, in the order in which they were made."""
    rng = random.Random(seed)
    questions = [question(rng, quality, stubborn) for _ in range(count)]
    places = asyncio.Semaphore(_QUESTIONS_AT_ONCE)

    async def one(number: int, name: str, answers: Sequence[Answer]) -> list[Judged]:
        async with places:
            candidates = await judged(sandbox, f"q{number}", [(answer.solution, answer.test) for answer in answers])
            assessed = await assess(candidates, sandbox.judge, job_id=f"q{number}")
        return [Judged(name, answers[attempt], found) for attempt, found in sorted(assessed.trials.items())]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number, *made)) for number, made in enumerate(questions)]
    return [found for task in tasks for found in task.result()]


async def judged(sandbox: Sandbox, job_id: str, pairs: Sequence[tuple[str, str]]) -> list[Candidate]:
    """The pairs with the judge's verdicts, as the trust engine takes them."""
    verdicts = await asyncio.gather(
        *(sandbox.judge(Job(f"{job_id}:{n}", solution, test=test)) for n, (solution, test) in enumerate(pairs))
    )
    return [
        Candidate(attempt, solution, test, verdict.passed, verdict.tests, verdict.coverage, verdict.duration_s)
        for attempt, ((solution, test), verdict) in enumerate(zip(pairs, verdicts, strict=True))
    ]


def auc(found: Sequence[Judged], value: Callable[[Assessment], float] = lambda one: one.trust) -> float:
    """The chance that a good pair has more of `value` than a bad one; equals count half (Mann and Whitney 1947)."""
    good = [value(one.assessment) for one in found if one.answer.good]
    bad = [value(one.assessment) for one in found if not one.answer.good]
    wins = sum((left > right) + 0.5 * (left == right) for left in good for right in bad)
    return wins / (len(good) * len(bad))


def curve(found: Sequence[Judged], thresholds: Sequence[float]) -> list[tuple[float, float, float, float]]:
    """(threshold, share of good pairs kept, share of bad pairs kept, share of good ones among those kept)."""
    rows = []
    for threshold in thresholds:
        kept = [one.answer.good for one in found if one.assessment.trust >= threshold]
        good = sum(one.answer.good for one in found)
        rows.append((
            threshold, sum(kept) / good, (len(kept) - sum(kept)) / (len(found) - good),
            sum(kept) / len(kept) if kept else 1.0,
        ))  # fmt: skip
    return rows
