"""Mutants: a verified solution with one small fault each. A test that lets them pass would let real faults pass too.

The operators are those of mutation testing (DeMillo, Lipton and Sayward 1978): arithmetic, comparison, boundary,
constant, boolean, return value, deleted statement. A mutant is a cut in the source text at the place of a syntax node,
so that two are the same program exactly when they put the same node in the same place.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from tasks.trials import Definition, Function, is_main_guard, parse_python

Kind = Literal["arithmetic", "comparison", "boundary", "constant", "return", "deleted", "boolean"]
KINDS: tuple[Kind, ...] = ("comparison", "arithmetic", "return", "boundary", "constant", "deleted", "boolean")
MAX_MUTANTS = 20

_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
_COMPARISON: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_BOUNDARY: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
}  # fmt: skip
# What these do is for people, and tests seldom look at it: a change there looks equivalent.
_FOR_PEOPLE = frozenset({"__repr__", "__str__", "__format__", "__hash__"})
_TALKS = frozenset({"print", "warn", "debug", "info", "warning", "error", "exception", "log"})


@dataclass(frozen=True, slots=True)
class Mutant:
    """`source` is the whole module; `line` where it differs; `change` what for people, such as `< -> <=`."""

    kind: Kind
    line: int
    change: str
    source: str


@dataclass(frozen=True, slots=True)
class _Cut:
    kind: Kind
    node: ast.AST
    old: str
    new: str
    function: str


def mutants(solution: str, limit: int = MAX_MUTANTS) -> list[Mutant]:
    """At most `limit` mutants, the same for the same source: spread over kinds first, then over functions and lines.

    Empty where the solution does not parse or has nothing to change.
    """
    module = parse_python(solution)
    if module is None:
        return []
    text = _Text(solution)
    seen: set[tuple[int, int, str]] = set()
    by_kind: dict[Kind, list[_Cut]] = defaultdict(list)
    for cut in _cuts(module):
        place = text.span(cut.node)
        if place is None or cut.new == cut.old or (*place, cut.new) in seen:
            continue
        seen.add((*place, cut.new))
        by_kind[cut.kind].append(cut)
    chosen: list[_Cut] = []
    queues = [_spread(by_kind[kind]) for kind in KINDS if by_kind[kind]]
    while queues and len(chosen) < limit:
        for queue in list(queues):
            if queue and len(chosen) < limit:
                chosen.append(queue.pop(0))
        queues = [queue for queue in queues if queue]
    return [
        Mutant(cut.kind, getattr(cut.node, "lineno", 1), f"{cut.old} -> {cut.new}"[:120], text.replaced(cut))
        for cut in chosen
    ]


def _spread(cuts: list[_Cut]) -> list[_Cut]:
    """One from each function in turn; within a function from the middle outwards, as halving would pick them."""
    by_function: dict[str, list[_Cut]] = defaultdict(list)
    for cut in cuts:
        by_function[cut.function].append(cut)
    queues = [_halved(group) for group in by_function.values()]
    ordered: list[_Cut] = []
    while queues:
        ordered.extend(queue.pop(0) for queue in queues)
        queues = [queue for queue in queues if queue]
    return ordered


def _halved(cuts: list[_Cut]) -> list[_Cut]:
    waiting, ordered = [cuts], []
    while waiting:
        part = waiting.pop(0)
        middle = len(part) // 2
        ordered.append(part[middle])
        waiting += [half for half in (part[:middle], part[middle + 1 :]) if half]
    return ordered


class _Text:
    """A source by the positions of its syntax tree, which count UTF-8 bytes."""

    def __init__(self, source: str) -> None:
        self.source = source.encode("utf-8", "surrogatepass")
        # The parser's own line ends, and not those that str.splitlines knows besides.
        self.starts = [0]
        normal = self.source.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self.source = normal
        for number, byte in enumerate(normal):
            if byte == 10:
                self.starts.append(number + 1)

    def span(self, node: ast.AST) -> tuple[int, int] | None:
        line, end_line = getattr(node, "lineno", None), getattr(node, "end_lineno", None)
        if line is None or end_line is None:
            return None
        return (
            self.starts[line - 1] + node.col_offset,  # type: ignore[attr-defined]
            self.starts[end_line - 1] + node.end_col_offset,  # type: ignore[attr-defined]
        )

    def replaced(self, cut: _Cut) -> str:
        start, end = self.span(cut.node) or (0, 0)
        new = cut.new.encode("utf-8", "surrogatepass")
        return (self.source[:start] + new + self.source[end:]).decode("utf-8", "surrogatepass")


def _cuts(module: ast.Module) -> Iterator[_Cut]:
    for node in module.body:
        if not is_main_guard(node):
            yield from _inside(node, "", frozenset())


def _inside(node: ast.AST, function: str, looped: frozenset[str]) -> Iterator[_Cut]:
    """Every change at this node and below. `looped` are the names that the conditions of enclosing loops read: without
    the statement that moves them a loop would not end, which costs time and tells little."""
    if isinstance(node, Function | ast.ClassDef):
        yield from _inside_definition(node, function, looped)
        return
    if _is_passive(node):
        return
    if isinstance(node, ast.While):
        looped |= {part.id for part in ast.walk(node.test) if isinstance(part, ast.Name)}
    if not (isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and node.target.id in looped):
        yield from _at(node, function)
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
            yield from _block(value, function, looped)
            continue
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.AST):
                yield from _inside(part, function, looped)


def _inside_definition(node: Definition, function: str, looped: frozenset[str]) -> Iterator[_Cut]:
    if isinstance(node, ast.ClassDef):
        for part in node.body:
            yield from _inside(part, f"{node.name}.{part.name}" if isinstance(part, Function) else node.name, looped)
    elif node.name not in _FOR_PEOPLE:
        function = function or node.name
        for default in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            yield from _inside(default, function, looped)
        yield from _block(node.body, function, frozenset())


def _is_passive(node: ast.AST) -> bool:
    """Where a change looks equivalent: messages of errors, output, imports, strings, what runs for types only."""
    if isinstance(
        node, ast.Raise | ast.Import | ast.ImportFrom | ast.JoinedStr | ast.Assert | ast.Global | ast.Nonlocal
    ):
        return True
    return _is_docstring(node) or _is_talk(node)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_talk(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return False
    called = node.value.func
    return (called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")) in _TALKS


def _block(body: list[ast.stmt], function: str, looped: frozenset[str]) -> Iterator[_Cut]:
    for node in body:
        if not _is_passive(node) and _deletable(node, looped):
            yield _Cut("deleted", node, ast.unparse(node).partition("\n")[0], "pass", function)
        yield from _inside(node, function, looped)


def _deletable(node: ast.stmt, looped: frozenset[str]) -> bool:
    if isinstance(node, ast.Assign | ast.AugAssign | ast.Expr | ast.Delete):
        # A first assignment is left: without it everything fails at once, which any test notices.
        if isinstance(node, ast.Assign) and all(isinstance(target, ast.Name) for target in node.targets):
            return False
        moved = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        return not moved & looped
    return (
        isinstance(node, ast.If)
        and not node.orelse
        and len(node.body) == 1
        and isinstance(node.body[0], ast.Return | ast.Raise | ast.Continue)
    )


def _at(node: ast.AST, function: str) -> Iterator[_Cut]:
    make = _MAKERS.get(type(node))
    if make is not None:
        for kind, new in make(node):
            yield _Cut(kind, node, ast.unparse(node).partition("\n")[0], _fitting(node, new), function)


def _fitting(node: ast.AST, new: str) -> str:
    return f"({new})" if isinstance(node, ast.expr) and not isinstance(node, ast.Constant) else new


Made = Iterator[tuple[Kind, str]]


def _binary(node: ast.AST) -> Made:
    assert isinstance(node, ast.BinOp)
    if any(_is_text(side) for side in (node.left, node.right)):
        return  # formatting and joining: the mutant would be a TypeError at once
    other = _ARITHMETIC.get(type(node.op))
    if other is not None:
        yield "arithmetic", ast.unparse(ast.BinOp(node.left, other(), node.right))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _augmented(node: ast.AST) -> Made:
    assert isinstance(node, ast.AugAssign)
    other = _ARITHMETIC.get(type(node.op))
    if other is not None:
        yield "arithmetic", ast.unparse(ast.AugAssign(node.target, other(), node.value))


def _compared(node: ast.AST) -> Made:
    assert isinstance(node, ast.Compare)
    if len(node.ops) != 1:
        return
    other = _COMPARISON.get(type(node.ops[0]))
    if other is not None:
        yield "comparison", ast.unparse(ast.Compare(node.left, [other()], node.comparators))


def _edge(node: ast.If | ast.IfExp | ast.While | ast.Compare) -> Made:
    compare = node if isinstance(node, ast.Compare) else node.test
    if isinstance(compare, ast.Compare) and len(compare.ops) == 1 and type(compare.ops[0]) in _BOUNDARY:
        other = _BOUNDARY[type(compare.ops[0])]
        yield "boundary", ast.unparse(ast.Compare(compare.left, [other()], compare.comparators))


def _comparison(node: ast.AST) -> Made:
    assert isinstance(node, ast.Compare)
    yield from _compared(node)
    if not getattr(node, "keeps_best", False):
        yield from _edge(node)


def _mark_best(node: ast.AST) -> Made:
    """`if x > best: best = x` is the same with `>=`: the comparison is marked so that its boundary stays."""
    assert isinstance(node, ast.If)
    if isinstance(node.test, ast.Compare) and len(node.test.comparators) == 1:
        sides = {ast.dump(node.test.left), ast.dump(node.test.comparators[0])}
        for part in node.body:
            if isinstance(part, ast.Assign) and len(part.targets) == 1:
                target = ast.dump(part.targets[0]).replace("Store()", "Load()")
                if {target, ast.dump(part.value)} == sides:
                    node.test.keeps_best = True  # type: ignore[attr-defined]
    yield from ()


def _constant(node: ast.AST) -> Made:
    assert isinstance(node, ast.Constant)
    value = node.value
    if isinstance(value, bool):
        yield "constant", repr(not value)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield "constant", repr(value + 1)
    elif isinstance(value, float):
        yield "constant", repr(value + 1.0)
    elif isinstance(value, str) and 0 < len(value) <= 40:
        yield "constant", repr(f"{value}~")


def _boolean(node: ast.AST) -> Made:
    assert isinstance(node, ast.BoolOp)
    yield "boolean", ast.unparse(ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))


def _negation(node: ast.AST) -> Made:
    assert isinstance(node, ast.UnaryOp)
    if isinstance(node.op, ast.Not):
        yield "boolean", f"bool({ast.unparse(node.operand)})"
    elif isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
        yield "arithmetic", ast.unparse(node.operand)


def _returned(node: ast.AST) -> Made:
    assert isinstance(node, ast.Return)
    value = node.value
    if value is None or (isinstance(value, ast.Constant) and value.value is None):
        return
    if isinstance(value, ast.Compare | ast.BoolOp) or (
        isinstance(value, ast.Constant) and isinstance(value.value, bool)
    ):
        yield "return", f"return not ({ast.unparse(value)})"
    else:
        yield "return", "return None"


_MAKERS: dict[type[ast.AST], Callable[[ast.AST], Made]] = {
    ast.BinOp: _binary,
    ast.AugAssign: _augmented,
    ast.If: _mark_best,
    ast.Compare: _comparison,
    ast.Constant: _constant,
    ast.BoolOp: _boolean,
    ast.UnaryOp: _negation,
    ast.Return: _returned,
}
