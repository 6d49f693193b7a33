"""open-instruct's RLVR rows: messages, the tests as ground truth, and in `dataset` the verifier that runs them.

Its code API runs each test as bare statements after the program, in a fresh process and without pytest (`code`), or
compares a program's output with that expected (`code_stdio`). So a triplet is in this format where its test consists
of plain functions; and not where the API refuses to execute its solution, which would earn right answers nothing.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence

import pyarrow as pa

from tasks.formats import layout, rl
from tasks.formats.format import Format, Rewarded, Row
from tasks.formats.layout import DIFFICULTY, MESSAGES, QUESTION_ID, Column
from tasks.formats.records import FormattedRow, ResponseRecord, TripletRecord
from tasks.sandbox import Sandbox
from tasks.sandbox.reward import code_score
from tasks.trials import Function, is_main_guard, parse_python

NAME = "rlvr"
VERSION = "1"
CODE, CODE_STDIO = "code", "code_stdio"

# open_instruct/code_utils: programs that hold one of these texts score 0 unexecuted.
_REFUSED = (
    "threading", "multiprocess", "import os", "from os", "shutil", "import torch", "from torch", "import sklearn",
    "from sklearn",
)  # fmt: skip
# open_instruct/ground_truth_utils: how it finds the program in an answer.
_BLOCK = re.compile(r"```(?:python)?(.*?)```", re.DOTALL)

_COLUMNS: tuple[Column, ...] = (
    (
        "messages",
        MESSAGES,
        "One user message: the question, the declarations that the tests call, and the fence that code belongs in.",
    ),
    ("ground_truth", pa.string(), "JSON: a list of sources to execute, or of {input, output} for code_stdio."),
    ("dataset", pa.string(), "The verifier: code or code_stdio."),
    QUESTION_ID,
    DIFFICULTY,
)


def rows(record: TripletRecord, responses: Sequence[ResponseRecord]) -> Iterator[FormattedRow]:
    """One row where the verifier can run the test, else none."""
    if any(text in record.solution for text in _REFUSED):
        return
    tests: list[str] | list[dict[str, str]]
    if record.style == rl.PROGRAM_STYLE:
        cases = rl.cases_of(record)
        pairs = zip(cases["stdin"], cases["stdout"], strict=True)
        verifier, tests = CODE_STDIO, [{"input": given, "output": wanted} for given, wanted in pairs]
    else:
        verifier, tests = CODE, standalone_tests(record.test)
    if tests:
        columns = {
            "messages": [{"role": "user", "content": rl.prompt_of(record)}],
            "ground_truth": json.dumps(tests, ensure_ascii=False),
            "dataset": verifier,
            "question_id": record.triplet_id,
            "difficulty": record.difficulty,
        }
        yield FormattedRow(layout.split_of(record), columns)


def standalone_tests(test: str) -> list[str]:
    """Each test function of a pytest module as a source of its own that needs neither pytest nor the solution's name.

    Empty where that cannot be: fixtures, parameters, classes, pytest itself, module-level code that is no definition,
    and a name of the solution that the test calls by another.
    """
    module = parse_python(test)
    if module is None:
        return []
    helpers: list[ast.stmt] = []
    tests: list[ast.FunctionDef] = []
    for node in module.body:
        if isinstance(node, ast.ImportFrom) and node.module == "solution":
            if any(name.asname not in (None, name.name) for name in node.names):
                return []
            continue
        if is_main_guard(node):
            continue
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            if node.decorator_list or any((*node.args.args, *node.args.posonlyargs, *node.args.kwonlyargs)):
                return []
            tests.append(node)
        elif isinstance(node, ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign | Function | ast.Expr):
            helpers.append(node)
        else:
            return []
    names = {part.id for node in (*helpers, *tests) for part in ast.walk(node) if isinstance(part, ast.Name)}
    imported = {
        name.name.partition(".")[0]
        for node in (*helpers, *tests)
        for part in ast.walk(node)
        if isinstance(part, ast.Import | ast.ImportFrom)
        for name in (part.names if isinstance(part, ast.Import) else [ast.alias(part.module or "")])
    }
    if {"pytest", "solution"} & (names | imported):
        return []
    shared = "\n".join(ast.unparse(node) for node in helpers)
    return [f"{shared}\n{ast.unparse(node)}\n{node.name}()".lstrip("\n") for node in tests]


def score(row: Row, answer: str, sandbox: Sandbox) -> float:
    """The share of tests that pass, as CodeVerifier finds the program and its API runs them, but in our sandbox."""
    blocks = _BLOCK.findall(answer)
    code = blocks[-1].strip() if blocks else answer
    if any(text in code for text in _REFUSED):
        return 0.0
    tests = json.loads(row["ground_truth"])
    if row["dataset"] == CODE_STDIO:
        truth = json.dumps({"stdin": [one["input"] for one in tests], "stdout": [one["output"] for one in tests]})
    else:
        truth = "import solution\n" + "".join(
            f"def test_{number}():\n    exec({source!r}, dict(vars(solution)))\n"
            for number, source in enumerate(tests)
        )
    return code_score(code, truth, rl.LIMITS, partial=True, sandbox=sandbox)


FORMAT = Format(
    name=NAME,
    version=VERSION,
    splits=layout.SPLITS,
    columns=_COLUMNS,
    rows=rows,
    proof=Rewarded(score),
)
