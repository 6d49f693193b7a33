"""Examples in a completion prompt's docstrings, as a pytest module that holds them against the verified solution."""

from __future__ import annotations

import ast
import doctest
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tasks import syntax
from tasks.styles._statement import examples as labelled_examples
from tasks.trials import Definition, Function, definitions, parse_python

# Runs in the sandbox beside the verified solution. The texts are literals; nothing of the prompt is executed but
# its imports and constants, which the examples may use.
_TEST_MODULE = """import doctest
import io

import solution

PREPARATION = {preparation}
DOCSTRINGS = {docstrings}
STATED = {stated}


def names():
    namespace = dict(vars(solution))
    exec(PREPARATION, namespace)
    return namespace


def check_docstring(name, text):
    test = doctest.DocTestParser().get_doctest(text, names(), name, None, 0)
    report = io.StringIO()
    failed = doctest.DocTestRunner(verbose=False).run(test, out=report.write).failed
    assert not failed, report.getvalue()


def check_stated(call, value):
    got, stated = eval(call, names()), eval(value, {{}})
    assert got == stated, f"{{call}} is {{got!r}}, not {{stated!r}}"
"""
_COMMENT_LINE = re.compile(r"^[ \t]*#[ \t]?(.*)$", re.MULTILINE)
_MISSING_BLANK = re.compile(r"^([ \t]*>>>)(?=[^\s>])", re.MULTILINE)
_ARROW = re.compile(
    r"\s*(?:->|==?>?|=>|:|→|➞|⇒|#\s*(?:->|=>)?|(?:should\s+|will\s+|must\s+|would\s+)?"
    r"(?:returns?|be|gives?|yields?|outputs?|produces?|equals?|becomes?|evaluates?\s+to|results?\s+in)|is)\s*"
)
# With these an example could show something else than the solution.
_REACHING = frozenset({"setattr", "delattr", "exec", "eval", "globals", "vars", "locals", "__import__"})
_MAX_STATED = 40
_MAX_LINE_CHARS = 2_000
_MAX_CLOSINGS = 30


@dataclass(frozen=True, slots=True)
class Examples:
    """What a prompt shows by example. `called` are the names that its examples call."""

    doctests: tuple[tuple[str, str], ...]  # where it stands, and the text
    stated: tuple[tuple[str, str], ...]  # call and value
    called: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.doctests or self.stated)


def find_examples(code: str, prompt: ast.Module, solution: ast.Module) -> Examples:
    """The examples of a prompt: doctest's (`>>> call` and its output), lines such as `f(1, 2) -> 3`, and, in the
    text of its only function, "Input: a = 1, b = 2" with "Output: 3", where call and value are literal.

    Raises ValueError, saying why, for examples that doctest cannot read, that ask to be skipped, or that bind a
    declared name: what they then show is not the solution.
    """
    texts = [(name, _MISSING_BLANK.sub(r"\1 ", text)) for name, text in _texts(code, prompt)]
    parsed = {(name, text): _doctest(text) for name, text in texts if ">>>" in text}
    declared = {node.name for node in prompt.body if isinstance(node, Definition)}
    stated = [pair for _, text in texts for pair in (*_stated(text, declared), *_labelled(text, prompt, solution))]
    if len(stated) > _MAX_STATED:
        raise ValueError(f"{len(stated)} stated examples are more than {_MAX_STATED}")
    sources = [example.source for found in parsed.values() for example in found] + [call for call, _ in stated]
    for name in (name for source in sources for name in _bound(source, declared)):
        raise ValueError(f"an example binds or reaches around {name}")
    return Examples(
        tuple(where for where, found in parsed.items() if found),
        tuple(stated),
        frozenset(name for source in sources for name in _called(source)),
    )


def examples_test(examples: Examples, prompt: ast.Module) -> str:
    """A pytest module that fails where an example is false; doctests are compared as doctest compares, stated values
    by equality."""
    kept = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)
    preparation = ast.unparse(ast.Module([node for node in prompt.body if isinstance(node, kept)], type_ignores=[]))
    module = _TEST_MODULE.format(
        preparation=ascii(preparation), docstrings=ascii(examples.doctests), stated=ascii(examples.stated)
    )
    tests = [
        f"def test_docstring_{n}():\n    check_docstring(*DOCSTRINGS[{n}])" for n in range(len(examples.doctests))
    ]
    tests += [f"def test_stated_{n}():\n    check_stated(*STATED[{n}])" for n in range(len(examples.stated))]
    return "\n\n\n".join([module, *tests]) + "\n"


def _texts(code: str, module: ast.Module) -> Iterator[tuple[str, str]]:
    """Everything where an example may stand: docstrings and other loose strings, comments."""
    for node in ast.walk(module):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield f"text in line {node.lineno}", node.value.value
    yield "comments", "\n".join(_COMMENT_LINE.findall(code))


def _doctest(text: str) -> list[doctest.Example]:
    examples = doctest.DocTestParser().get_examples(text)
    if any(example.options.get(doctest.SKIP) for example in examples):
        raise ValueError("an example asks to be skipped")
    return examples


def _bound(source: str, declared: set[str]) -> Iterator[str]:
    """Declared names that an example binds, or an attribute of which it does, and builtins that could do it for it."""
    module = parse_python(source)
    for node in ast.walk(module) if module else ():
        name = ""
        if isinstance(node, ast.Name | ast.Attribute) and not isinstance(node.ctx, ast.Load):
            name = _root(node)
        elif isinstance(node, Definition):
            name = node.name
        elif isinstance(node, ast.alias):
            name = node.asname or node.name
        elif isinstance(node, ast.Name) and node.id in _REACHING - declared:
            yield node.id
        if name in declared:
            yield name


def _root(node: ast.expr) -> str:
    """`a` of a, a.b and a.b.c; empty where it is no name."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _called(source: str) -> Iterator[str]:
    """The names that are called, or whose attributes are."""
    module = parse_python(source)
    for node in ast.walk(module) if module else ():
        if isinstance(node, ast.Call):
            yield _root(node.func)


def _stated(text: str, names: set[str]) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if len(line) > _MAX_LINE_CHARS or line.lstrip().startswith((">>>", "...")):
            continue
        for name in names:
            start = re.search(rf"(?<![\w.]){re.escape(name)}\(", line)
            if start:
                pair = _call_and_value(line[start.start() :])
                if pair:
                    yield pair


def _labelled(text: str, prompt: ast.Module, solution: ast.Module) -> Iterator[tuple[str, str]]:
    declared = [node for node in prompt.body if isinstance(node, Definition)]
    function = declared[0] if len(declared) == 1 else None
    if not isinstance(function, Function) or not _returns(function.name, solution):
        return
    arguments = function.args
    names = {part.arg for part in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    for example in labelled_examples(text):
        call = _literal_call(f"{function.name}({example.stdin.strip().strip('`')})")
        value = example.stdout.strip().strip("`").strip()
        given = {node.arg for node in ast.walk(syntax.parse(call)) if isinstance(node, ast.keyword)} if call else set()
        if call and given <= names and _is_literal(value):
            yield call, value


def _returns(name: str, solution: ast.Module) -> bool:
    """Whether the function has a result: what works in place may tell its changed argument as output."""
    node = definitions(solution).get(name)
    return node is not None and any(isinstance(part, ast.Return) and part.value is not None for part in ast.walk(node))


def _call_and_value(text: str) -> tuple[str, str] | None:
    """`f(1, 2)` and `3` of "f(1, 2) -> 3.", or None where the text is anything but literal call, arrow and value."""
    closings = [match.end() for match in re.finditer(r"\)", text)]
    for end in closings[:_MAX_CLOSINGS]:
        call = _literal_call(text[:end])
        if call:
            arrow = _ARROW.match(text, end + 1 if text[end : end + 1] == "`" else end)
            value = text[arrow.end() :].strip().rstrip(".,;").strip("`").strip() if arrow else ""
            return (call, value) if value and _is_literal(value) else None
    return None


def _literal_call(text: str) -> str | None:
    module = parse_python(text)
    if module is None or len(module.body) != 1 or not isinstance(module.body[0], ast.Expr):
        return None
    call = module.body[0].value
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return None
    parts = [*call.args, *(keyword.value for keyword in call.keywords)]
    return text if all(_is_literal(ast.unparse(part)) for part in parts) else None


def _is_literal(text: str) -> bool:
    try:
        syntax.literal(text)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return False
    return True
