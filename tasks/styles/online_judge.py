"""Online Judge style: the same problem over stdin and stdout; every expected output comes from executing."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from tasks import syntax
from tasks.sandbox.types import Job, Verdict, VerdictKind
from tasks.styles._answers import answer_text, single_block
from tasks.styles._cases import cases_test
from tasks.styles._control import control_program, depends
from tasks.styles._execution import join_modules, parse_verified, run, without_main_guard, without_statements
from tasks.styles._leakage import leak
from tasks.styles._statement import Example, describes_input_and_output, examples, same_output, with_example
from tasks.styles._strength import strength
from tasks.styles.types import Converted, Judge, Reason, Rejected, Rejection
from tasks.trials import Definition, definitions, fenced_blocks, parse_python, sections, storable, top_level

SECTIONS = ("Statement", "Program", "Cases")


@dataclass(frozen=True, slots=True)
class Limits:
    """What an Online Judge triplet may hold."""

    min_cases: int = 3
    max_cases: int = 20  # further ones are left out
    max_examples: int = 10  # in the statement; more are not believed unseen, so the answer is rejected
    max_stdin_chars: int = 100_000  # a case
    max_stdout_chars: int = 50_000  # a case; below what a verdict carries whole
    timeout_s: float | None = None  # a case; None: the sandbox's own
    control_timeout_s: float = 5.0  # a case of the program whose entry points were emptied, which may hang on that


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class OnlineJudge:
    """A converter's answer: `adapter` goes below the verified solution, `cases` are inputs without repetition."""

    statement: str
    adapter: str
    cases: list[str]


def parse_online_judge(answer: str, finish_reason: str = "stop") -> OnlineJudge | Rejection:
    """Statement, adapter and cases, between `<|Statement Begin|>` ... `<|Cases End|>`."""
    try:
        return _parse(answer_text(answer, finish_reason))
    except Rejected as rejected:
        return rejected.rejection


def _parse(text: str) -> OnlineJudge:
    whole = {section.name: section.text for section in sections(text, SECTIONS) if section.ended_by == "end"}
    for name in SECTIONS:
        if name not in whole:
            raise Rejected(Reason.UNPARSED, f"the section {name} is missing or has no end marker")
    adapter = single_block(whole["Program"])
    if not adapter:
        raise Rejected(Reason.UNPARSED, "the program is empty or several blocks")
    module = parse_python(adapter)
    if module is None:
        raise Rejected(Reason.SYNTAX_ERROR, "the program is not valid Python")
    statement = whole["Statement"].replace("\r\n", "\n").strip()
    if not statement:
        raise Rejected(Reason.UNPARSED, "the statement is empty")
    # The solution stands above the adapter in the same file: importing it is needless, and would fail.
    imports = [node for node in module.body if isinstance(node, ast.ImportFrom) and node.module == "solution"]
    adapter = without_statements(adapter, module, imports).strip("\n")
    return OnlineJudge(statement, adapter, _cases(whole["Cases"]))


def read_online_judge(statement: str, program: str, test: str, solution: str) -> OnlineJudge | Rejection:
    """A finished triplet of this style taken apart again, so that it can be proven: the program has to be the verified
    solution with an adapter below it, the test the literal of its cases."""
    try:
        head = join_modules(without_main_guard(solution))
        if not program.startswith(head):
            raise Rejected(Reason.ADAPTER_UNUSED, "the program is not the verified solution with an adapter below it")
        adapter = program.removeprefix(head).strip("\n")
        if not adapter:
            raise Rejected(Reason.ADAPTER_UNUSED, "there is no adapter below the verified solution")
        parse_verified(adapter)
        try:
            stated = syntax.literal(test)
        except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
            stated = None
        cases = stated.get("stdin") if isinstance(stated, dict) else None
        if not isinstance(cases, list) or not all(isinstance(case, str) and storable(case) for case in cases):
            raise Rejected(Reason.UNPARSED, "the test is no literal of {'stdin': [...], 'stdout': [...]}")
    except Rejected as rejected:
        return rejected.rejection
    return OnlineJudge(statement, adapter, list(dict.fromkeys(cases)))


def _cases(section: str) -> list[str]:
    blocks = fenced_blocks(section)
    text = (blocks[0].text if len(blocks) == 1 else section).strip()
    cases = _read_list(text)
    if not isinstance(cases, list) or not all(isinstance(case, str) for case in cases):
        raise Rejected(Reason.UNPARSED, "the cases are not a list of strings")
    if not all(storable(case) for case in cases):
        raise Rejected(Reason.UNPARSED, "a case holds NUL or broken Unicode")
    return list(dict.fromkeys(case.replace("\r\n", "\n") for case in cases))


def _read_list(text: str) -> object:
    """JSON, with raw line breaks in its strings forgiven, or a Python list of literals."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        try:
            return syntax.literal(text)
        except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
            return None


async def check_online_judge(
    parsed: OnlineJudge,
    solution: str,
    test: str,
    judge: Judge,
    limits: Limits = DEFAULT_LIMITS,
    job_id: str | None = None,
) -> Converted | Rejection:
    """Proves a conversion: the program is the verified solution with the adapter below it.

    What the verified `test` uses are the entry points; the cases have to reach as many of the solution's lines as it
    does and reject MIN_KILLED_SHARE of the mutants that it rejects. Costs five executions a case, and three or four
    besides. Cases that the adapter answers without the solution, or with blanks, are left out. The converted solution
    is the whole program, the converted test the repr of `{"stdin": [...], "stdout": [...]}`, readable by
    ast.literal_eval. Raises JudgeUnavailable where the sandbox failed.
    """
    try:
        return await _Check(judge, limits, job_id or f"online-judge-{uuid4().hex}").convert(parsed, solution, test)
    except Rejected as rejected:
        return rejected.rejection
    except RecursionError:
        return Rejection(Reason.SYNTAX_ERROR, "the program is nested too deeply to be examined")


@dataclass(frozen=True, slots=True)
class _Check:
    judge: Judge
    limits: Limits
    job_id: str

    async def convert(self, parsed: OnlineJudge, solution: str, test: str) -> Converted:
        original = parse_verified(solution)
        control = control_program(solution, parsed.adapter, test)
        _check_statement(parsed.statement, solution, original)
        stated = examples(parsed.statement)
        if len(stated) > self.limits.max_examples:
            raise Rejected(Reason.UNPARSED, f"{len(stated)} examples, more than {self.limits.max_examples}")
        cases = self._enough(parsed.cases)
        program = join_modules(without_main_guard(solution), parsed.adapter)
        if any(_may_act(node) for node in top_level(original)):
            await self._check_silence(without_main_guard(solution))
        inputs = (*cases, *(example.stdin for example in stated))
        outputs = await self._outputs("first", program, inputs)
        for example, output in zip(stated, outputs[len(cases) :], strict=True):
            if not same_output(example.stdout, output):
                shown = f"{example.stdin!r} gives {output!r}, not {example.stdout!r}"
                raise Rejected(Reason.FALSE_EXAMPLE, shown)
        again = await self._run("second", program, inputs)
        if again.outputs != outputs:
            raise Rejected(Reason.NONDETERMINISTIC, "two runs on the same input printed different outputs")
        outputs = outputs[: len(cases)]
        self._check_outputs(outputs)
        kept = depends(await self._control(control, cases), outputs)
        pairs = [
            (case, output)
            for case, output, keep in zip(cases, outputs, kept, strict=True)
            # An empty line is an answer, but one that a program without any answer gives as well.
            if keep and output.strip()
        ]
        cases, outputs = self._enough([case for case, _ in pairs]), tuple(output for _, output in pairs)
        if all(same_output(output, outputs[0]) for output in outputs):
            raise Rejected(Reason.TRIVIAL_CASES, f"every case prints {outputs[0]!r}")
        verdict = await self._run("confirmed", program, cases, outputs, confirm=True)
        if verdict.kind is VerdictKind.FLAKY:  # a set's order, say, which is another in every other process
            raise Rejected(Reason.NONDETERMINISTIC, verdict.message)
        if not verdict.passed:
            raise Rejected(Reason.UNCONFIRMED, f"{verdict.kind}: {verdict.message}")
        module = cases_test(parsed.adapter, cases, outputs)
        proven = await strength(solution, test, module, self.judge, self.job_id)
        statement = parsed.statement
        if not stated:
            statement = with_example(statement, Example(cases[0], outputs[0]))
        made = repr({"stdin": list(cases), "stdout": list(outputs)})
        return Converted(statement, program, made, proven.coverage, proven.kill_rate)

    def _enough(self, cases: Sequence[str]) -> tuple[str, ...]:
        usable = tuple(case for case in cases if len(case) <= self.limits.max_stdin_chars)
        if len(usable) < self.limits.min_cases:
            raise Rejected(Reason.TOO_FEW_CASES, f"{len(usable)} usable cases, {self.limits.min_cases} are needed")
        return usable[: self.limits.max_cases]

    async def _run(
        self,
        name: str,
        program: str,
        stdin: tuple[str, ...],
        stdout: tuple[str, ...] | None = None,
        timeout_s: float | None = None,
        confirm: bool = False,
    ) -> Verdict:
        job = Job(
            id=f"{self.job_id}-{name}",
            solution=program,
            judge="stdio",
            stdin=stdin,
            stdout=stdout,
            coverage=False,
            timeout_s=timeout_s or self.limits.timeout_s,
            confirm=confirm,
        )
        return await run(self.judge, job)

    async def _outputs(self, name: str, program: str, stdin: tuple[str, ...]) -> tuple[str, ...]:
        """One job a case, so that a program that hangs costs one case's time."""
        outputs: list[str] = []
        for number, case in enumerate(stdin):
            verdict = await self._run(f"{name}-{number}", program, (case,))
            if not verdict.passed or len(verdict.outputs) != 1:
                raise Rejected(Reason.PROGRAM_FAILS, f"input {case!r:.100}: {verdict.kind}: {verdict.message}")
            outputs += verdict.outputs
        return tuple(outputs)

    async def _control(self, control: str, cases: tuple[str, ...]) -> list[Verdict]:
        """The same cases with the entry points emptied, up to the first on which the adapter then hangs."""
        verdicts: list[Verdict] = []
        for number, case in enumerate(cases):
            verdict = await self._run(f"control-{number}", control, (case,), timeout_s=self.limits.control_timeout_s)
            verdicts.append(verdict)
            if verdict.kind is VerdictKind.TIMED_OUT:
                break
        return verdicts

    async def _check_silence(self, solution: str) -> None:
        (printed,) = await self._outputs("alone", solution, ("",))
        if printed.strip():
            raise Rejected(Reason.SOLUTION_PRINTS, f"when it is loaded, the solution prints {printed!r}")

    def _check_outputs(self, outputs: tuple[str, ...]) -> None:
        if not all(outputs):
            raise Rejected(Reason.EMPTY_OUTPUT, "the program prints nothing for a case")
        if not all(map(storable, outputs)):
            raise Rejected(Reason.UNPARSED, "the program prints NUL or broken Unicode")
        longest = max(map(len, outputs))
        if longest > self.limits.max_stdout_chars:
            raise Rejected(Reason.OUTPUT_TOO_LONG, f"{longest} characters for one case")


def _check_statement(statement: str, solution: str, module: ast.Module) -> None:
    told = leak(statement, solution)
    if told:
        raise Rejected(Reason.LEAKS_SOLUTION, told)
    names = set(definitions(module))
    for block in fenced_blocks(statement):
        code = parse_python(block.text)
        shown = set(definitions(code)) & names if code else set()
        if shown:
            raise Rejected(Reason.LEAKS_SOLUTION, f"the statement shows code that defines {', '.join(sorted(shown))}")
    if not describes_input_and_output(statement):
        raise Rejected(Reason.INCOMPLETE_STATEMENT, "the statement does not say what is read and what is printed")


def _may_act(node: ast.stmt) -> bool:
    """Whether a top-level statement could print; definitions, imports and strings cannot."""
    if isinstance(node, Definition | ast.Import | ast.ImportFrom | ast.Pass):
        return False
    return any(isinstance(part, ast.Call) for part in ast.walk(node))
