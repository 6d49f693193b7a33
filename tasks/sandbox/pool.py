"""The pool: a queue of jobs, a thread and a zygote a slot; two faces, `run` (an iterator) and `judge` (awaitable).

Threads only wait on descriptors; the work is done by the zygotes' children.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Future
from types import TracebackType
from typing import Any

from .conclude import conclude_pytest, killed_from_outside
from .probe import examine
from .slot import Run, Slot, Trial, ZygoteError, check_starts
from .stdio import conclude_case
from .types import Job, Level, Policy, SandboxError, Verdict, VerdictKind

_ATTEMPTS = 3  # a failing machinery gets two more zygotes, and who was killed from outside two more runs
_WINDOW = 512  # jobs taken from the caller's iterator ahead of the verdicts, a slot
_OUTPUT_KEPT = 1 << 16  # characters of a case's output that a verdict carries

_Task = tuple[Job, "Future[Verdict]"]


class Sandbox:
    """Judges jobs in isolation. Use as a context manager; safe to share between threads and event loops.

    Raises SandboxError on entry where this machine cannot contain programs (below Level.CONTAINER, unless the policy
    allows weak isolation) or the interpreter is unusable.
    """

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy()
        self.jobs = self.policy.jobs or len(os.sched_getaffinity(0))
        self._queue: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._open = False

    def __enter__(self) -> Sandbox:
        self._probe = examine(self.policy)
        if self._probe.level is Level.WEAK and not self.policy.allow_weak:
            reasons = "; ".join(f"{name}: {why}" for name, why in self._probe.tried.items() if why != "ok")
            raise SandboxError(
                "This machine can contain programs neither by namespaces nor by Landlock with seccomp, so untrusted "
                f"code is not run. Give the process these rights, or allow the weak sandbox. Missing: {reasons}"
            )
        first: Future[None] = Future()
        for number in range(self.jobs):
            thread = threading.Thread(
                target=self._serve,
                args=(number, first if number == 0 else None),
                name=f"sandbox-{number}",
                daemon=True,
            )
            self._threads.append(thread)
            thread.start()
        self._open = True
        try:
            first.result()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def level(self) -> Level:
        """How judged programs are contained on this machine."""
        return self._probe.level

    @property
    def environment(self) -> str:
        """Fingerprint of the judged programs' interpreter and packages."""
        return self._probe.environment

    def close(self) -> None:
        """Drops what is still queued (its futures are cancelled), waits for running trials, ends the zygotes."""
        self._open = False
        with contextlib.suppress(queue.Empty):
            while True:
                task = self._queue.get_nowait()
                if task is not None:
                    task[1].cancel()
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def submit(self, job: Job) -> Future[Verdict]:
        """Queues a job; the future resolves to its verdict and never to an exception of the judged program."""
        if not self._open:
            raise SandboxError("The sandbox is not open: use it inside `with Sandbox(policy) as sandbox`.")
        if job.judge not in {"pytest", "stdio"}:
            raise ValueError(f"job {job.id}: unknown judge {job.judge!r}; there are 'pytest' and 'stdio'")
        if job.stdout is not None and len(job.stdout) != len(job.stdin):
            raise ValueError(f"job {job.id}: {len(job.stdin)} inputs but {len(job.stdout)} expected outputs")
        future: Future[Verdict] = Future()
        self._queue.put((job, future))
        return future

    async def judge(self, job: Job) -> Verdict:
        """Awaits the verdict on one job, from any event loop; hundreds may wait at once."""
        return await asyncio.wrap_future(self.submit(job))

    def run(self, jobs: Iterable[Job], *, ordered: bool = False) -> Iterator[Verdict]:
        """Judges a stream of jobs, taken as slots get free. Verdicts come as they are reached, so that one endless
        program holds up nothing; `ordered` gives them in the jobs' order instead."""
        window = _WINDOW * self.jobs
        source = iter(jobs)
        done: queue.SimpleQueue[Future[Verdict]] = queue.SimpleQueue()
        pending: deque[Future[Verdict]] = deque()
        waiting: set[Future[Verdict]] = set()
        exhausted = False
        try:
            while True:
                while not exhausted and len(waiting) + len(pending) < window:
                    job = next(source, None)
                    if job is None:
                        exhausted = True
                        break
                    future = self.submit(job)
                    if ordered:
                        pending.append(future)
                    else:
                        waiting.add(future)
                        future.add_done_callback(done.put)
                if ordered:
                    if not pending:
                        return
                    verdict = pending[0].result()
                    pending.popleft()
                else:
                    if not waiting:
                        return
                    finished = done.get()
                    waiting.discard(finished)
                    verdict = finished.result()
                yield verdict
        except CancelledError as error:
            raise SandboxError("The sandbox was closed while jobs were waiting.") from error
        finally:
            for future in (*pending, *waiting):
                future.cancel()

    def _serve(self, number: int, first: Future[None] | None) -> None:
        """A slot's thread. It starts the zygote itself: the kernel ends a zygote with the thread it came from."""
        slot = Slot(self.policy, self._probe, number)
        try:
            if first is not None:
                try:
                    check_starts(slot)
                    first.set_result(None)
                except SandboxError as error:
                    first.set_exception(error)
                    return
            while (task := self._queue.get()) is not None:
                job, future = task
                if not future.set_running_or_notify_cancel():
                    continue
                try:
                    future.set_result(self._judge(slot, job))
                except Exception as error:  # noqa: BLE001 - a fault of ours must reach the caller, not end the slot
                    future.set_exception(error)
        finally:
            slot.close()

    def _judge(self, slot: Slot, job: Job) -> Verdict:
        judge = self._judge_stdio if job.judge == "stdio" else self._judge_pytest
        try:
            verdict = judge(slot, job)
            return self._confirm(slot, job, verdict) if job.confirm and verdict.passed else verdict
        except ZygoteError as error:
            return self._verdict(job, VerdictKind.INFRASTRUCTURE, str(error))

    def _confirm(self, slot: Slot, job: Job, first: Verdict) -> Verdict:
        if job.judge == "stdio":
            return _repeated(first, self._judge_stdio(slot, job, again=True))
        job = dataclasses.replace(job, coverage=False)
        apart = self._judge_pytest(slot, job, again=True, apart=True)
        if apart.apart and _repeated(first, apart).passed:
            return dataclasses.replace(first, apart=True)
        confirmed = _repeated(first, self._judge_pytest(slot, job, again=True))
        if apart.apart and confirmed.passed:
            message = f"passed only in one process with its tests: {apart.message}"
            return dataclasses.replace(first, kind=VerdictKind.TAMPERED, message=message, tests=apart.tests)
        return confirmed

    def _verdict(self, job: Job, kind: VerdictKind, message: str) -> Verdict:
        return Verdict(job.id, kind, message=message, level=self.level, environment=self.environment)

    def _attempt(self, slot: Slot, trial: Trial) -> Run:
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1
            try:
                run = slot.run(trial)
            except ZygoteError:
                if last:
                    raise
            else:
                if last or not killed_from_outside(run, trial.memory_mb):
                    return run
        raise AssertionError("unreachable")

    def _memory_mb(self, job: Job) -> int:
        return job.memory_mb or self.policy.memory_mb

    def _trial(self, job: Job, content: dict[str, object], **how: Any) -> Trial:
        timeout_s = job.timeout_s or self.policy.timeout_s
        return Trial(job.judge, content, timeout_s, self._memory_mb(job), self.policy.output_kb << 10, **how)

    def _judge_pytest(self, slot: Slot, job: Job, *, again: bool = False, apart: bool = False) -> Verdict:
        content: dict[str, object] = {
            "solution": job.solution,
            "test": job.test,
            "star_import": job.star_import,
            "coverage": job.coverage,
            "again": again,
            "apart": apart,
        }
        run = self._attempt(slot, self._trial(job, content, again=again, apart=apart))
        conclusion = conclude_pytest(run, self._memory_mb(job))
        return Verdict(
            id=job.id,
            kind=conclusion.kind,
            tests=conclusion.tests,
            coverage=conclusion.coverage,
            duration_s=run.duration_s,
            peak_memory_mb=run.peak_memory_mb,
            message=conclusion.message,
            level=self.level,
            environment=self.environment,
            apart=conclusion.apart,
        )

    def _judge_stdio(self, slot: Slot, job: Job, *, again: bool = False) -> Verdict:
        if not job.stdin:
            return self._verdict(job, VerdictKind.NO_TESTS, "the job has no case")
        worst, message = VerdictKind.PASSED, ""
        tests: dict[str, str] = {}
        outputs: list[str] = []
        duration, peak = 0.0, 0.0
        for number, stdin in enumerate(job.stdin):
            run = self._attempt(slot, self._trial(job, {"solution": job.solution}, again=again, stdin=stdin))
            kind, said, output = conclude_case(run, job, number, self._memory_mb(job))
            passed = kind is VerdictKind.PASSED
            tests[str(number)] = "passed" if passed else "failed" if kind is VerdictKind.FAILED else "error"
            outputs.append(output[:_OUTPUT_KEPT])
            duration, peak = duration + run.duration_s, max(peak, run.peak_memory_mb)
            if not passed and worst is VerdictKind.PASSED:
                worst, message = kind, f"case {number}: {said}"
        return Verdict(
            job.id, worst, tests, None, duration, peak, message, tuple(outputs), self.level, self.environment
        )


def _repeated(first: Verdict, second: Verdict) -> Verdict:
    """A pass that was repeated: itself where the same tests passed again."""
    if second.kind is VerdictKind.INFRASTRUCTURE:
        return second
    if second.passed and second.tests.keys() == first.tests.keys():
        return first
    tampered = second.kind is VerdictKind.TAMPERED
    message = f"passed once, then under another hash seed and in reverse order: {second.kind.value}"
    return dataclasses.replace(
        first,
        kind=VerdictKind.TAMPERED if tampered else VerdictKind.FLAKY,
        tests={**first.tests, **second.tests},
        message=f"{message}: {second.message}" if second.message else message,
    )
