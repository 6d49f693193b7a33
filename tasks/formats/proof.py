"""Self-proof: the files that are about to be published do what their formats promise.

Rows are read back from the written files and judged through the formats' own reward paths: the reference solution of a
row for reinforcement learning scores full marks and a mutant of it does not; the code in a conversation passes or
fails as its place says. All is executed as the rows were verified: under their policy, and within its limits where
these are wider than those of the formats. A sample is the rows whose ids have the smallest hashes: the same rows for
the same content.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from tasks.formats import kodcode_v1, rl
from tasks.formats.errors import ProofFailed
from tasks.formats.format import Answered, Format, Rewarded, Row
from tasks.formats.reader import read_rows
from tasks.formats.writer import FileEntry
from tasks.sandbox import Policy, Sandbox
from tasks.sandbox.reward import code_score
from tasks.trials import EntryPoint, extract_response_code, repair_entry_point
from tasks.trust import mutants

SAMPLE = 64  # rows a format
_MUTANTS = 8  # some mutants are the same program in other words: so many are tried before a row has failed
_NAMED = 5  # failing rows in the message
_CHUNK = 256  # rows judged side by side
_FULL = 1.0


@dataclass(frozen=True, slots=True)
class Reference:
    """What KodCode-V1 says of a row: the pair it is held against."""

    question_id: str
    solution: str
    test: str
    functions: tuple[EntryPoint, ...]


def prove(
    folder: Path,
    formats: Sequence[Format],
    files: Sequence[FileEntry],
    sample: int | None = SAMPLE,
    policy: Policy | None = None,
) -> Counter[str]:
    """Prove `sample` rows of each format, or all where it is None, and return how many proofs held, by file.

    `folder` holds the files by their paths, KodCode-V1's among them, whose rows have the same order; `policy` is that
    of the sandbox, which is not opened where there is nothing to prove. Raises ProofFailed, which names the first rows
    that fail, and SandboxError where nothing can be judged.
    """
    proven: Counter[str] = Counter()
    provable = {format.name: format for format in formats if format.proof is not None}
    if not any(entry.rows for entry in files if entry.format in provable):
        return proven
    with Sandbox(policy) as sandbox, ThreadPoolExecutor(sandbox.jobs) as threads:
        for format in provable.values():
            failures: list[str] = []
            rows = _sampled(_rows(folder, format, files), format, sample)
            pairs = _with_references(rows, format, lambda: _references(folder, files))
            while chunk := list(islice(pairs, _CHUNK)):
                problems = list(threads.map(partial(_problem, format, sandbox), chunk))
                failures += [problem for problem in problems if problem is not None]
                proven.update(path for path, _, _ in chunk)
                if len(failures) >= _NAMED:
                    break
            if failures:
                raise ProofFailed(
                    f"The format {format.name} does not prove itself, so nothing is published: "
                    f"{'; '.join(failures[:_NAMED])}. Leave such rows out (--min-kill-rate, --stub-rejected, --stable "
                    "of kodcode release) or release without this format."
                )
    return proven


def _rows(folder: Path, format: Format, files: Sequence[FileEntry]) -> Iterator[tuple[str, Row]]:
    """All rows of a format with their files, in the order of these."""
    for entry in files:
        if entry.format == format.name and entry.rows:
            for row in read_rows(folder / entry.path):
                yield entry.path, row


def _sampled(rows: Iterable[tuple[str, Row]], format: Format, sample: int | None) -> Iterable[tuple[str, Row]]:
    """Those rows whose ids hash smallest, in the order that they came in."""
    if sample is None:
        return rows
    keyed = (
        (hashlib.sha256(format.row_id(row).encode()).digest(), place, path, row)
        for place, (path, row) in enumerate(rows)
    )
    chosen = heapq.nsmallest(sample, keyed, key=lambda item: item[:2])
    return ((path, row) for _, _, path, row in sorted(chosen, key=lambda item: item[1]))


def _references(folder: Path, files: Sequence[FileEntry]) -> Iterator[Reference]:
    columns = ["question_id", "solution", "test", "test_info"]
    for entry in files:
        if entry.format == kodcode_v1.NAME:
            for row in read_rows(folder / entry.path, columns):
                yield Reference(row["question_id"], row["solution"], row["test"], tuple(row["test_info"]))


def _with_references(
    rows: Iterable[tuple[str, Row]], format: Format, references: Callable[[], Iterator[Reference]]
) -> Iterator[tuple[str, Row, Reference]]:
    """Each row with its reference. Both have the same order within a split, so a pass a pair of splits is enough."""
    left = references()
    reference: Reference | None = None
    for path, row in rows:
        wanted = format.row_id(row)
        begun_again = False
        while reference is None or reference.question_id != wanted:
            reference = next(left, None)
            if reference is None:
                if begun_again:
                    raise ProofFailed(f"The format {format.name} has a row {wanted} that KodCode-V1 does not have.")
                begun_again, left = True, references()
        yield path, row, reference


def _problem(format: Format, sandbox: Sandbox, pair: tuple[str, Row, Reference]) -> str | None:
    """What is wrong with a row; None where it is proven."""
    _, row, reference = pair
    if isinstance(format.proof, Rewarded):
        found = _unrewarded(format.proof, row, reference, sandbox)
    elif isinstance(format.proof, Answered):
        found = _wrong_answer(format.proof, row, reference, sandbox)
    else:
        found = None
    return None if found is None else f"{reference.question_id}: {found}"


def _unrewarded(proof: Rewarded, row: Row, reference: Reference, sandbox: Sandbox) -> str | None:
    score = proof.score(row, _fenced(reference.solution), sandbox)
    if score < _FULL:
        return f"its own solution scores {score:g}"
    # Where there is nothing to mutate, a program that does nothing stands for the mutants.
    tried = [mutant.source for mutant in mutants(reference.solution, _MUTANTS)] or ["pass"]
    if all(proof.score(row, _fenced(source), sandbox) >= _FULL for source in tried):
        return f"{len(tried)} mutants of its solution score as high as it"
    return None


def _wrong_answer(proof: Answered, row: Row, reference: Reference, sandbox: Sandbox) -> str | None:
    for text, must_pass in proof.answers(row):
        # As it was judged: by the name that the test calls, where one function can be meant.
        code = extract_response_code(text)
        repaired = "" if code is None else repair_entry_point(code, reference.functions)
        passed = bool(repaired) and code_score(repaired, reference.test, rl.LIMITS, sandbox=sandbox) >= _FULL
        if passed != must_pass:
            return "the code of its answer fails" if must_pass else "the code of its rejected answer passes"
    return None


def _fenced(code: str) -> str:
    return f"```python\n{code}\n```"
