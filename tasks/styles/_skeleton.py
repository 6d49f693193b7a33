"""Whether a completion prompt declares what the solution defines and nothing more: empty bodies, equal signatures."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from tasks.styles.types import Reason, Rejection
from tasks.trials import Definition, Function, bare_arguments, definitions

# What a constant's value may be made of. Calls only to these: anything else is code.
_VALUE_NODES = (
    ast.Constant, ast.Tuple, ast.List, ast.Set, ast.Dict, ast.UnaryOp, ast.unaryop, ast.BinOp, ast.operator, ast.Name,
    ast.Attribute, ast.Subscript, ast.Slice, ast.expr_context, ast.Call, ast.keyword,
)  # fmt: skip
_VALUE_CALLS = frozenset({"TypeVar", "NewType", "namedtuple", "float", "frozenset", "set", "dict"})
_ANNOTATION_NODES = (
    ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Tuple, ast.List, ast.BinOp, ast.BitOr, ast.expr_context,
    ast.Starred,
)  # fmt: skip
# A longer value that the solution does not have could be a table of answers.
_MAX_OWN_VALUE_CHARS = 120
_BINDING_DECORATORS = frozenset({"staticmethod", "classmethod", "property"})


def check_skeleton(
    prompt: ast.Module, solution: ast.Module, entry_points: Iterable[str], test: ast.Module | None
) -> Rejection | None:
    """The first fault of a prompt's code, or None."""
    problems = (
        *_contents(prompt.body, solution.body),
        *_declarations(prompt, solution, list(entry_points), test),
    )
    return problems[0] if problems else None


def _contents(body: list[ast.stmt], original: list[ast.stmt]) -> Iterator[Rejection]:
    """Leaks before everything else: that is what matters most about a rejected answer."""
    found = [problem for node in body for problem in _statement(node, original)]
    yield from sorted(found, key=lambda problem: problem.reason is not Reason.LEAKS_SOLUTION)


def _statement(node: ast.stmt, original: list[ast.stmt]) -> Iterator[Rejection]:
    if isinstance(node, Function):
        yield from _function(node)
    elif isinstance(node, ast.ClassDef):
        twin = next((part for part in original if isinstance(part, ast.ClassDef) and part.name == node.name), None)
        for part in node.body:
            yield from _statement(part, twin.body if twin else [])
    elif isinstance(node, ast.Import | ast.ImportFrom):
        modules = [node.module or "."] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        if any(name.partition(".")[0] in ("solution", "") for name in modules):
            yield Rejection(Reason.UNEXPECTED_CODE, f"line {node.lineno} imports the solution")
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        yield from _constant(node, original)
    elif not _is_empty(node):
        yield Rejection(Reason.UNEXPECTED_CODE, f"line {node.lineno} is neither import, constant nor declaration")


def _function(node: Function) -> Iterator[Rejection]:
    if not all(_is_empty(part) or _raises_not_implemented(part) for part in node.body):
        yield Rejection(Reason.LEAKS_SOLUTION, f"the body of {node.name} is not empty")
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    annotations = [part.annotation for part in every if part and part.annotation] + [node.returns]
    for annotation in annotations:
        if annotation and not _is_type(annotation):
            yield Rejection(Reason.UNEXPECTED_CODE, f"an annotation of {node.name} is not a type")


def _is_type(annotation: ast.expr) -> bool:
    return all(isinstance(part, _ANNOTATION_NODES) for part in ast.walk(annotation))


def _is_empty(node: ast.stmt) -> bool:
    """`pass`, `...` or a string."""
    if isinstance(node, ast.Pass):
        return True
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and (isinstance(node.value.value, str) or node.value.value is Ellipsis)
    )


def _raises_not_implemented(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Raise) or node.cause is not None:
        return False
    raised = node.exc
    if isinstance(raised, ast.Call) and not raised.keywords:
        if not all(isinstance(part, ast.Constant) for part in raised.args):
            return False
        raised = raised.func
    return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"


def _constant(node: ast.Assign | ast.AnnAssign, original: list[ast.stmt]) -> Iterator[Rejection]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if isinstance(node, ast.AnnAssign) and not _is_type(node.annotation):
        yield Rejection(Reason.UNEXPECTED_CODE, f"the annotation in line {node.lineno} is not a type")
    if not all(isinstance(target, ast.Name) for target in targets):
        yield Rejection(Reason.UNEXPECTED_CODE, f"line {node.lineno} assigns to something else than a name")
        return
    if node.value is None:
        return
    value, names = ast.unparse(node.value), {target.id for target in targets if isinstance(target, ast.Name)}
    known = dict(_assigned(original))
    if any(isinstance(part, Definition) and part.name in names for part in original):
        yield Rejection(Reason.UNEXPECTED_CODE, f"line {node.lineno} assigns to a name that the solution defines")
    elif any(name in known and known[name] != value for name in names):
        yield Rejection(Reason.CONSTANT_DIFFERS, f"line {node.lineno} differs from the solution: {value}")
    elif not names <= set(known) and len(value) > _MAX_OWN_VALUE_CHARS:
        yield Rejection(Reason.UNEXPECTED_CODE, f"the value in line {node.lineno} is not the solution's and long")
    elif not _is_value(node.value):
        yield Rejection(Reason.UNEXPECTED_CODE, f"the value in line {node.lineno} is computed")


def _assigned(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    yield target.id, ast.unparse(node.value)


def _is_value(value: ast.expr) -> bool:
    return all(
        isinstance(part, _VALUE_NODES)
        and (not isinstance(part, ast.Call) or ast.unparse(part.func).rpartition(".")[2] in _VALUE_CALLS)
        for part in ast.walk(value)
    )


def _declarations(
    prompt: ast.Module, solution: ast.Module, entry_points: list[str], test: ast.Module | None
) -> Iterator[Rejection]:
    declared, defined = definitions(prompt), definitions(solution)
    for name in entry_points:
        if name not in declared:
            yield Rejection(Reason.MISSING_ENTRY_POINT, f"{name} is not declared")
    for name, node in declared.items():
        if name not in defined:
            yield Rejection(Reason.UNKNOWN_DECLARATION, f"the solution has no {name}")
        else:
            yield from _same(node, defined[name], name)
    called = {part.attr for part in ast.walk(test) if isinstance(part, ast.Attribute)} if test else set()
    for name in entry_points:
        ours, theirs = declared.get(name), defined.get(name)
        if isinstance(ours, ast.ClassDef) and isinstance(theirs, ast.ClassDef):
            yield from _missing_methods(ours, theirs, called)
    yield from _undocumented(prompt, entry_points)


def _missing_methods(node: ast.ClassDef, twin: ast.ClassDef, called: set[str]) -> Iterator[Rejection]:
    """A class may leave its methods to its docstring, but not name some and keep silent about others."""
    methods = {name for name in _methods(node) if not name.startswith("_")}
    for name in _methods(twin):
        if methods and name in called and name not in methods and not name.startswith("_"):
            yield Rejection(Reason.MISSING_ENTRY_POINT, f"{node.name}.{name} is not declared")


def _methods(node: ast.ClassDef) -> dict[str, Function]:
    return {part.name: part for part in node.body if isinstance(part, Function)}


def _same(node: Definition, twin: Definition, name: str) -> Iterator[Rejection]:
    if type(node) is not type(twin):
        yield Rejection(Reason.SIGNATURE_DIFFERS, f"{name} is another kind of definition in the solution")
    elif isinstance(node, ast.ClassDef) and isinstance(twin, ast.ClassDef):
        ours, theirs = ([*map(ast.unparse, part.bases), *map(ast.unparse, part.keywords)] for part in (node, twin))
        if ours and ours != theirs:
            yield Rejection(Reason.SIGNATURE_DIFFERS, f"class {name} has other bases than in the solution")
        if not _decorators(node) <= _decorators(twin):
            yield Rejection(Reason.SIGNATURE_DIFFERS, f"class {name} has other decorators than in the solution")
        methods = _methods(twin)
        for method, part in _methods(node).items():
            if method in methods:
                yield from _same(part, methods[method], f"{name}.{method}")
            else:
                yield Rejection(Reason.UNKNOWN_DECLARATION, f"the solution has no {name}.{method}")
    elif isinstance(node, Function) and isinstance(twin, Function):
        ours_, theirs_ = (ast.unparse(bare_arguments(part.args)) for part in (node, twin))
        if ours_ != theirs_:
            yield Rejection(Reason.SIGNATURE_DIFFERS, f"{name}({ours_}) is {name}({theirs_}) in the solution")
        extra = _decorators(node) - _decorators(twin)
        lost = (_decorators(twin) - _decorators(node)) & _BINDING_DECORATORS
        if extra or lost:
            yield Rejection(Reason.SIGNATURE_DIFFERS, f"{name} has other decorators than in the solution")


def _decorators(node: Definition) -> set[str]:
    return {ast.unparse(part) for part in node.decorator_list}


def _undocumented(prompt: ast.Module, entry_points: list[str]) -> Iterator[Rejection]:
    """Every function needs its description; a class may have it in a method, or be explained by a function's."""
    declared = definitions(prompt)
    for name in described_entry_points(prompt, entry_points):
        if not _is_described(declared[name]):
            yield Rejection(Reason.MISSING_DOCSTRING, f"{name} has no docstring")


def described_entry_points(prompt: ast.Module, entry_points: Iterable[str]) -> list[str]:
    """The entry points that a prompt has to describe and to show by example: its functions, or else its classes."""
    declared = definitions(prompt)
    names = [name for name in entry_points if name in declared]
    return [name for name in names if isinstance(declared[name], Function)] or names


def _is_described(node: Definition) -> bool:
    parts = [node, *_methods(node).values()] if isinstance(node, ast.ClassDef) else [node]
    return any(len((ast.get_docstring(part) or "").split()) >= 2 for part in parts)
