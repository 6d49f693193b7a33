"""The pool's two faces, its order, its retries and its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from tasks.sandbox import Job, Policy, Sandbox, SandboxError, VerdictKind, probe

ADD = "def add(a, b):\n    return a + b\n"
TEST = "def test_a():\n    assert add(1, 2) == 3\n"
SLEEP = "import time\ndef test_a():\n    time.sleep(0.4)\n"


def _descendants(parent: int) -> set[int]:
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found |= {int(entry.name)} | _descendants(int(entry.name))
    return found


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _wait_gone(pids: set[int]) -> set[int]:
    deadline = time.monotonic() + 20
    while (left := {pid for pid in pids if _alive(pid)}) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


def test_verdicts_come_as_reached_or_in_order() -> None:
    asleep = "import time\ndef test_a():\n    time.sleep(3)\n"  # longer than the second slot takes to start
    jobs = [Job("slow", ADD, test=asleep)] + [Job(str(n), ADD, test=TEST) for n in range(4)]
    with Sandbox(Policy(jobs=2)) as sandbox:
        assert [verdict.id for verdict in sandbox.run(jobs)][-1] == "slow"
        assert [verdict.id for verdict in sandbox.run(jobs, ordered=True)] == ["slow", "0", "1", "2", "3"]


def test_jobs_are_taken_from_the_iterator_as_needed(sandbox: Sandbox) -> None:
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield Job(str(taken), ADD, test=TEST)

    verdicts = sandbox.run(endless())
    for _ in range(3):
        assert next(verdicts).passed
    verdicts.close()
    assert taken < 5000


def test_hundreds_may_await_on_several_loops_at_once(sandbox: Sandbox) -> None:
    async def many(prefix: str) -> list[bool]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.001)

        ticker = asyncio.create_task(tick())
        jobs = [Job(f"{prefix}{n}", ADD, test=TEST, coverage=False) for n in range(60)]
        verdicts = await asyncio.gather(*(sandbox.judge(job) for job in jobs))
        ticker.cancel()
        assert [verdict.id for verdict in verdicts] == [job.id for job in jobs]
        assert ticks > 20  # the loop was never blocked
        return [verdict.passed for verdict in verdicts]

    results: list[list[bool]] = []
    threads = [threading.Thread(target=lambda p=p: results.append(asyncio.run(many(p)))) for p in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[True] * 60] * 2


def test_a_cancelled_wait_leaves_the_pool_usable(sandbox: Sandbox) -> None:
    async def cancel() -> None:
        waits = [asyncio.create_task(sandbox.judge(Job(str(n), ADD, test=SLEEP))) for n in range(6)]
        await asyncio.sleep(0.05)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        assert (await sandbox.judge(Job("after", ADD, test=TEST))).passed

    asyncio.run(cancel())


def test_a_closed_sandbox_says_so() -> None:
    with pytest.raises(SandboxError, match="not open"):
        Sandbox().submit(Job("a", ADD, test=TEST))


@pytest.mark.parametrize(
    "job",
    [
        Job("a", ADD, judge="nonsense"),  # type: ignore[arg-type]
        Job("a", "print(1)", judge="stdio", stdin=("",), stdout=()),
    ],
)
def test_a_job_that_makes_no_sense_is_refused(sandbox: Sandbox, job: Job) -> None:
    with pytest.raises(ValueError, match="job a"):
        sandbox.submit(job)


def test_nothing_is_left_when_it_closes() -> None:
    before = _descendants(os.getpid())
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    with Sandbox(Policy(jobs=2)) as sandbox:
        list(sandbox.run(Job(str(n), ADD, test=TEST) for n in range(4)))
        during = _descendants(os.getpid()) - before
        assert len(during) >= 2
    assert not _wait_gone(during)  # the kernel reaps a namespace after its first process
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_killed_zygotes_are_replaced_without_a_wrong_verdict() -> None:
    before = _descendants(os.getpid())
    with Sandbox(Policy(jobs=1)) as sandbox:
        assert sandbox.submit(Job("first", ADD, test=TEST)).result().passed
        for target in ("keeper", "zygote"):
            future = sandbox.submit(Job("hit", ADD, test=SLEEP))
            while not (started := _descendants(os.getpid()) - before):
                time.sleep(0.01)
            keeper = min(started)
            victims = {keeper} if target == "keeper" else _descendants(keeper)
            time.sleep(0.1)
            for pid in victims:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            verdict = future.result()
            assert verdict.passed, verdict


def _resident_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6
    except OSError:
        return 0.0


def test_a_program_that_a_starved_host_kills_is_run_again() -> None:
    heavy = "import time\nBALLAST = bytearray(200_000_000)\ndef test_a():\n    time.sleep(2)\n"  # seen from outside
    before = _descendants(os.getpid())
    with Sandbox(Policy(jobs=1)) as sandbox:
        for times, kind in ((2, VerdictKind.PASSED), (3, VerdictKind.CRASHED)):
            hit: set[int] = set()
            future = sandbox.submit(Job("hit", ADD, test=heavy))
            while not future.done():
                for pid in _descendants(os.getpid()) - before - hit:
                    if len(hit) < times and _resident_mb(pid) > 150:
                        os.kill(pid, signal.SIGKILL)
                        hit.add(pid)
                time.sleep(0.01)
            assert (future.result().kind, len(hit)) == (kind, times)


def test_what_fails_three_times_is_infrastructure_and_no_verdict_on_the_program() -> None:
    before = _descendants(os.getpid())
    with Sandbox(Policy(jobs=1)) as sandbox:
        future = sandbox.submit(Job("hit", ADD, test="import time\ndef test_a():\n    time.sleep(5)\n"))
        while not future.done():
            for pid in _descendants(os.getpid()) - before:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.01)
        assert future.result().kind is VerdictKind.INFRASTRUCTURE
        assert sandbox.submit(Job("after", ADD, test=TEST)).result().passed


def test_a_killed_supervisor_leaves_nothing_running(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import sys
        from tasks.sandbox import Job, Policy, Sandbox
        sandbox = Sandbox(Policy(jobs=2)).__enter__()
        futures = [sandbox.submit(Job(str(n), "", test="def test_a():\\n    while True: pass\\n")) for n in range(4)]
        print("up", flush=True)
        futures[0].result()
    """)
    root = Path(__file__).resolve().parents[2]
    supervisor = subprocess.Popen([sys.executable, "-c", script], cwd=root, stdout=subprocess.PIPE, text=True)
    try:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == "up\n"
        deadline = time.monotonic() + 60
        while len(family := _descendants(supervisor.pid)) < 8 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(family) >= 8  # keeper, zygote, init and trial, twice
    finally:
        supervisor.kill()
        supervisor.wait()
        supervisor.stdout.close()
    assert _wait_gone(family) == set()


def test_an_unusable_interpreter_is_named(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="not an executable"), Sandbox(Policy(python=tmp_path / "python")):
        pass
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no python here >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(SandboxError, match="no python here"), Sandbox(Policy(python=broken)):
        pass


def test_a_preload_is_there_from_the_start_and_a_wrong_one_is_named() -> None:
    with Sandbox(Policy(jobs=1, preload=("fractions",))) as sandbox:
        test = "import sys\nassert 'fractions' in sys.modules\ndef test_a():\n    pass\n"
        assert sandbox.submit(Job("a", "", test=test)).result().passed
    with pytest.raises(SandboxError, match="nowhere_to_be_found"), Sandbox(Policy(preload=("nowhere_to_be_found",))):
        pass


def test_what_programs_may_import_is_compiled(sandbox: Sandbox) -> None:
    """They cannot write beside it: what set-up left out each of them would compile again."""
    test = (
        "import os, flask, numpy, pandas, requests, scipy, sklearn, sympy\n"
        "def test_a():\n"
        "    for module in (flask, numpy, pandas, requests, scipy, sklearn, sympy):\n"
        "        assert os.path.exists(module.__spec__.cached), module\n"
    )
    result = sandbox.submit(Job("a", "", test=test)).result()
    assert result.passed, result


def test_the_probe_names_each_primitive_and_the_level() -> None:
    report = probe()
    assert {"user namespace", "landlock", "seccomp", "private root", "own user id", "level"} <= report.keys()
    assert report["level"] in {"full", "container", "weak"}
