"""The requests after a question exists: solve it, convert its style, answer it with reasoning."""

from __future__ import annotations

from tasks.llm.types import Request, Sampling, Stage
from tasks.subsets.prompts import render

# Attempts must differ from each other, so they are sampled at the model's own distribution.
SOLVE = Sampling(max_tokens=8192, temperature=1.0)
CONVERT = Sampling(max_tokens=8192, temperature=0.6)
# As the makers of open reasoning models recommend; reasoning needs room.
RESPOND = Sampling(max_tokens=16_384, temperature=0.6)


def solve_request(
    question: str, attempt: int, provider: str, model: str, subset: str = "", *, sampling: Sampling | None = None
) -> tuple[Request, str]:
    """Asks for a solution and its tests in one answer. Returns the request and the version of its prompt."""
    return _request("solve", "solve", attempt, provider, model, subset, sampling or SOLVE, question=question)


def complete_request(
    question: str,
    solution: str,
    test: str,
    attempt: int,
    provider: str,
    model: str,
    subset: str = "",
    *,
    sampling: Sampling | None = None,
) -> tuple[Request, str]:
    """Asks for the Complete style of a verified question: a stub with docstring and examples."""
    return _request(
        "complete",
        "convert",
        attempt,
        provider,
        model,
        subset,
        sampling or CONVERT,
        question=question,
        solution=solution,
        test=test,
    )


def online_judge_request(
    question: str,
    solution: str,
    test: str,
    attempt: int,
    provider: str,
    model: str,
    subset: str = "",
    *,
    sampling: Sampling | None = None,
) -> tuple[Request, str]:
    """Asks for the Online Judge style of a verified question: statement, adapter program and inputs."""
    return _request(
        "online_judge",
        "convert",
        attempt,
        provider,
        model,
        subset,
        sampling or CONVERT,
        question=question,
        solution=solution,
        test=test,
    )


def respond_request(
    question: str, attempt: int, provider: str, model: str, subset: str = "", *, sampling: Sampling | None = None
) -> tuple[Request, str]:
    """Asks the question of a triplet, and nothing else, for a reasoning answer."""
    return _request("respond", "respond", attempt, provider, model, subset, sampling or RESPOND, question=question)


def _request(
    prompt: str, stage: Stage, attempt: int, provider: str, model: str, subset: str, sampling: Sampling, **values: str
) -> tuple[Request, str]:
    rendered = render(prompt, **values)
    request = Request(
        provider=provider,
        model=model,
        messages=rendered.messages,
        sampling=sampling,
        attempt=attempt,
        stage=stage,
        subset=subset,
    )
    return request, rendered.version
