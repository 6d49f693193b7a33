"""What a test module shows without being run: its assertions, and what it and the solution lean on."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tasks.trials import Function, parse_python

# Dotted names by what their use means. A name that ends in a dot stands for everything in that module.
_MEANINGS: dict[str, tuple[str, ...]] = {
    "clock": (
        "time.time", "time.time_ns", "time.perf_counter", "time.perf_counter_ns", "time.monotonic",
        "time.process_time", "datetime.datetime.now", "datetime.datetime.today", "datetime.datetime.utcnow",
        "datetime.date.today", "timeit.", "time.localtime", "time.gmtime", "time.ctime",
    ),
    "sleep": ("time.sleep", "asyncio.sleep"),
    "randomness": (
        "random.", "secrets.", "uuid.uuid1", "uuid.uuid4", "os.urandom", "numpy.random.", "os.getrandom",
    ),
    "network": (
        "socket.", "urllib.request.", "http.client.", "requests.", "aiohttp.", "httpx.", "ftplib.", "smtplib.",
    ),
    "processes": ("subprocess.", "multiprocessing.", "os.system", "os.popen", "os.fork"),
    "introspection": (
        "inspect.getsource", "inspect.getsourcelines", "inspect.stack", "inspect.currentframe", "linecache.",
        "sys._getframe", "gc.get_objects", "gc.get_referrers", "sys.settrace", "sys.setprofile", "ctypes.",
    ),
}  # fmt: skip
_FILES = frozenset({"solution.py", "test_solution.py", "./solution.py", "./test_solution.py", "solution"})
_LONG_FLOAT = 9  # digits: nobody writes so many who did not copy what a program printed
_ASSERTING = ("assert", "fail")  # methods of unittest and numpy.testing, pytest.fail, own helpers called so
# Modules whose work does not depend on the order of a set of strings.
_SET_FREE = frozenset({
    "__future__", "abc", "bisect", "collections", "copy", "dataclasses", "decimal", "enum", "fractions", "functools",
    "heapq", "itertools", "math", "operator", "pytest", "re", "solution", "statistics", "string", "time", "typing",
    "unittest", "datetime", "random", "sys", "io", "json",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Inspection:
    """`assertions` by test: those that can fail, directly or in helpers that the test calls. `uses` are _MEANINGS'
    words and `source`, `float equality`, sorted."""

    assertions: dict[str, int]
    uses: tuple[str, ...]
    hash_order: bool  # whether sets of strings or hashes could play a part

    @property
    def asserted_share(self) -> float:
        """Tests with an assertion, of all; 0 without tests."""
        return sum(count > 0 for count in self.assertions.values()) / len(self.assertions) if self.assertions else 0.0


def inspect_pair(solution: str, test: str) -> Inspection:
    """What the pair shows. Code that does not parse shows nothing."""
    tested, solved = parse_python(test), parse_python(solution)
    trees = [tree for tree in (tested, solved) if tree is not None]
    uses = {use for tree in trees for use in _uses(tree)}
    if tested is not None and any(_is_long_float(node) for node in ast.walk(tested)):
        uses.add("float equality")
    return Inspection(
        _assertions(tested) if tested is not None else {},
        tuple(sorted(uses)),
        any(_hash_order(tree) for tree in trees),
    )


def _assertions(module: ast.Module) -> dict[str, int]:
    functions = {node.name: node for node in ast.walk(module) if isinstance(node, Function)}
    counts: dict[str, int] = {}
    for node in module.body:
        if isinstance(node, Function) and node.name.startswith("test"):
            counts[node.name] = _counted(node, functions, frozenset())
        elif isinstance(node, ast.ClassDef):
            for part in node.body:
                if isinstance(part, Function) and part.name.startswith("test"):
                    counts[f"{node.name}.{part.name}"] = _counted(part, functions, frozenset())
    return counts


def _counted(node: ast.AST, functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef], seen: frozenset[str]) -> int:
    count = 0
    for part in _effective(node):
        if isinstance(part, ast.Assert):
            count += not _is_empty(part.test)
        elif isinstance(part, ast.Call):
            name = part.func.attr if isinstance(part.func, ast.Attribute) else getattr(part.func, "id", "")
            if name in functions and name not in seen:
                count += _counted(functions[name], functions, seen | {name})
            elif name.lower().startswith(_ASSERTING) or name in ("raises", "warns"):
                count += 1
        elif isinstance(part, ast.Raise):
            count += part.exc is not None and "AssertionError" in ast.unparse(part.exc)
    return count


def _effective(node: ast.AST) -> Iterator[ast.AST]:
    """Everything below, without what stands in a `try` whose handler swallows assertions. Code that is never reached
    counts as well: that it claims nothing shows in the kill rate."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Try) and any(_swallows(handler) for handler in child.handlers):
            for part in (*child.handlers, *child.orelse, *child.finalbody):
                yield part
                yield from _effective(part)
            continue
        yield child
        yield from _effective(child)


def _swallows(handler: ast.ExceptHandler) -> bool:
    caught = ast.unparse(handler.type) if handler.type else "BaseException"
    if not any(name in caught for name in ("Exception", "AssertionError")) or "pytest" in caught:
        return False
    broad = any(part.strip(" ()") in ("Exception", "BaseException", "AssertionError") for part in caught.split(","))
    ends = any(
        isinstance(part, ast.Raise | ast.Assert) or (isinstance(part, ast.Call) and "fail" in ast.unparse(part.func))
        for statement in handler.body
        for part in ast.walk(statement)
    )
    return broad and not ends


def _is_empty(test: ast.expr) -> bool:
    """An assertion that holds whatever the solution does."""
    if isinstance(test, ast.Constant | ast.Tuple | ast.Lambda | ast.JoinedStr):
        return True
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        return any(_is_empty(value) for value in test.values)
    if isinstance(test, ast.BoolOp):
        return all(_is_empty(value) for value in test.values)
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        left, right = ast.dump(test.left), ast.dump(test.comparators[0])
        same = left == right and isinstance(test.ops[0], ast.Eq | ast.Is | ast.LtE | ast.GtE)
        return same or all(isinstance(side, ast.Constant) for side in (test.left, test.comparators[0]))
    return False


def _is_long_float(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq) for op in node.ops)):
        return False
    sides = [node.left, *node.comparators]
    if any(
        isinstance(part, ast.Call) and "approx" in ast.unparse(part.func) for side in sides for part in ast.walk(side)
    ):
        return False
    return any(
        isinstance(part, ast.Constant)
        and isinstance(part.value, float)
        and len(repr(part.value).replace(".", "").replace("-", "").strip("0")) > _LONG_FLOAT
        for side in sides
        for part in ast.walk(side)
    )


def _names(module: ast.Module) -> Iterator[str]:
    """Dotted names that a module uses, by what its imports say they are."""
    known: dict[str, str] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                known[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute | ast.Name):
            parts: list[str] = []
            base: ast.expr = node
            while isinstance(base, ast.Attribute):
                parts.append(base.attr)
                base = base.value
            if isinstance(base, ast.Name) and base.id in known:
                yield ".".join([known[base.id], *reversed(parts)])


def _uses(module: ast.Module) -> Iterator[str]:
    names = set(_names(module))
    seeded = any(name.endswith((".seed", ".Random", ".default_rng", ".RandomState")) for name in names)
    for meaning, known in _MEANINGS.items():
        found = {
            name
            for name in names
            if any(name == entry or (entry[-1] == "." and name.startswith(entry)) for entry in known)
        }
        if found and not (meaning == "randomness" and seeded):
            yield meaning
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in (
            "open",
            "Path",
            "read_text",
        ):
            told = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
            if told & _FILES or any(isinstance(p, ast.Name) and p.id == "__file__" for p in ast.walk(node)):
                yield "introspection"
        elif isinstance(node, ast.Attribute) and node.attr in ("__file__", "__code__", "co_code"):
            yield "introspection"


def _hash_order(module: ast.Module) -> bool:
    for node in ast.walk(module):
        if isinstance(node, ast.Set | ast.SetComp):
            return True
        if isinstance(node, ast.Name) and node.id in ("set", "frozenset", "hash"):
            return True
        if isinstance(node, ast.Import) and any(a.name.partition(".")[0] not in _SET_FREE for a in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] not in _SET_FREE:
            return True
    return False
