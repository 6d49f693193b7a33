"""Test execution as a reward for reinforcement learning, in the calling conventions of verl and TRL.

Programs are judged in one shared warm pool that starts with the first call and lives as long as the process; a call
may come from any thread. `ground_truth` is the test: pytest source, or the cases of a program,
`{"stdin": [...], "stdout": [...]}`, as a dict or as its JSON or Python literal.

A machine that cannot contain programs, or a sandbox that fails three times, raises SandboxError: a reward of zero
would teach the model that its program was wrong.
"""

from __future__ import annotations

import atexit
import dataclasses
import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Absolute: verl loads this file by its path, as a module of no package.
from tasks import syntax
from tasks.sandbox.pool import Sandbox
from tasks.sandbox.types import Job, Policy, SandboxError, Verdict, VerdictKind

# A fence ends on a line of its own: what docstrings hold is indented. Any language, so that the end of a block in
# another one is not taken for a beginning.
_OPENING = re.compile(r"```([\w+-]*)[ \t]*$")
_CLOSING = re.compile(r" {0,3}```[ \t]*")
_PYTHON = frozenset({"python", "py", "python3"})
_lock = threading.Lock()
_pool: Sandbox | None = None
_policy: Policy | None = None


def configure(policy: Policy) -> None:
    """Limits of the shared pool. Before the first call; afterwards it raises SandboxError."""
    global _policy  # noqa: PLW0603 - one pool a process is the point
    with _lock:
        if _pool is not None:
            raise SandboxError("The reward's sandbox is already running: call configure before the first reward.")
        _policy = policy


def _shared() -> Sandbox:
    global _pool  # noqa: PLW0603
    with _lock:
        if _pool is None:
            pool = Sandbox(_policy or Policy(timeout_s=10, memory_mb=1024)).__enter__()
            atexit.register(pool.close)
            _pool = pool
        return _pool


def code_of(completion: str) -> str:
    """The program in a model's answer: its last complete ```python block after the reasoning; without one the last
    block that names no language; without a block, all of it."""
    answer = completion.rpartition("</think>")[2].replace("\r\n", "\n")
    blocks = list(_blocks(answer))
    named = [code for language, code in blocks if language in _PYTHON]
    return (named or [code for language, code in blocks if not language] or [answer])[-1]


def _blocks(answer: str) -> Iterator[tuple[str, str]]:
    """Language and code of each block that is closed. Line by line: a policy that repeats a fence for ever would keep
    a pattern over the whole answer busy for minutes."""
    language: str | None = None
    inside: list[str] = []
    for line in answer.split("\n"):
        if language is None:
            if opening := _OPENING.search(line):
                language, inside = opening[1].lower(), []
        elif _CLOSING.fullmatch(line):
            yield language, "".join(f"{code}\n" for code in inside)
            language = None
        else:
            inside.append(line)


def job_of(code: str, ground_truth: str | Mapping[str, Any], identity: str = "reward") -> Job:
    """The execution that judges a program. Raises ValueError where the ground truth is neither kind."""
    cases: Any = ground_truth
    if isinstance(ground_truth, str):
        cases = _literal(ground_truth)
        if not isinstance(cases, Mapping):
            return Job(identity, code, test=ground_truth, coverage=False)
    if not isinstance(cases, Mapping) or not {"stdin", "stdout"} <= cases.keys():
        raise ValueError("ground_truth is neither pytest source nor a mapping with 'stdin' and 'stdout'")
    stdin, stdout = tuple(map(str, cases["stdin"])), tuple(map(str, cases["stdout"]))
    return Job(identity, code, judge="stdio", stdin=stdin, stdout=stdout)


def _literal(text: str) -> object:
    if not text.lstrip().startswith("{"):
        return text
    for read in (json.loads, syntax.literal):
        try:
            return read(text)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue
    return text


def _score(verdict: Verdict, partial: bool) -> float:
    if verdict.kind is VerdictKind.INFRASTRUCTURE:
        raise SandboxError(f"{verdict.id} could not be judged: {verdict.message}")
    if verdict.passed:
        return 1.0
    if not partial or verdict.kind is not VerdictKind.FAILED or not verdict.tests:
        return 0.0
    return sum(outcome == "passed" for outcome in verdict.tests.values()) / len(verdict.tests)


def compute_score(
    solution_str: str,
    ground_truth: str | Mapping[str, Any],
    extra_info: Mapping[str, Any] | None = None,
    *,
    data_source: str | None = None,
    partial: bool = False,
    sandbox: Sandbox | None = None,
    **_: object,
) -> float:
    """verl's custom reward: 1.0 where every test passes, else 0.0, or with `partial` the share of tests that passed.

    `extra_info` may hold `timeout_s` and `memory_mb`; `sandbox` is as in `code_score`. (verl: custom_reward_function,
    called with data_source, solution_str, ground_truth and extra_info as keywords.)
    """
    return code_score(
        code_of(solution_str),
        ground_truth,
        extra_info,
        identity=data_source or "reward",
        partial=partial,
        sandbox=sandbox,
    )


def code_score(
    code: str,
    ground_truth: str | Mapping[str, Any],
    extra_info: Mapping[str, Any] | None = None,
    *,
    identity: str = "reward",
    partial: bool = False,
    sandbox: Sandbox | None = None,
) -> float:
    """The same of a program that was found in its answer already.

    A `sandbox` judges in place of the shared one, and no limit is tighter then than that of its policy.
    """
    job = job_of(code, ground_truth, identity)
    limits = {name: extra_info[name] for name in ("timeout_s", "memory_mb") if extra_info and name in extra_info}
    if sandbox is not None:
        limits = {name: max(limit, getattr(sandbox.policy, name)) for name, limit in limits.items()}
    if limits:
        job = dataclasses.replace(job, **limits)
    return _score((sandbox or _shared()).submit(job).result(), partial)


def execution_reward(
    completions: Sequence[str | Sequence[Mapping[str, str]]],
    ground_truth: Sequence[str | Mapping[str, Any]],
    **_: object,
) -> list[float]:
    """TRL's reward function: a score a completion (text, or a conversation whose last message is the answer), judged
    side by side. (TRL: reward_funcs, called with completions and the dataset's columns as keywords.)

    Raises ValueError where the two lists differ in length.
    """
    if len(completions) != len(ground_truth):
        raise ValueError(f"{len(completions)} completions but {len(ground_truth)} ground truths")
    texts = [item if isinstance(item, str) else str(item[-1]["content"]) for item in completions]
    pool = _shared()
    pairs = enumerate(zip(texts, ground_truth, strict=True))
    futures = [pool.submit(job_of(code_of(text), truth, f"completion {number}")) for number, (text, truth) in pairs]
    return [_score(future.result(), False) for future in futures]
