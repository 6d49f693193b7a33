"""A test module and its claims: what each of its assertions says about a solution."""

from __future__ import annotations

import ast
import sys
import types

from .clock import Late

_RAISING = ("raises", "assertRaises", "assertRaisesRegex", "warns")


class Suite:
    """A test module, compiled once; every run executes it anew around the run's own solution.

    `soft`: an assertion that fails is noted and the test goes on, so that each is a claim of its own. `sites` are
    their lines and `claims` what was seen of each in the run under way; `refuted` says that one failed since it was
    last set to False.
    """

    def __init__(self, source: str, soft: bool = False) -> None:
        tree = ast.parse("from solution import *\n\n" + source, "test_solution.py")
        self.sites: list[str] = []
        self.claims: dict[int, bool] = {}
        self.refuted = False
        if soft:
            tree = ast.fix_missing_locations(Softener(self.sites).visit(tree))
        self.code = compile(tree, "test_solution.py", "exec", dont_inherit=True)

    def note(self, site: int, held: bool) -> None:
        self.claims[site] = held and self.claims.get(site, True)
        self.refuted |= not held

    def load(self, solution: types.CodeType) -> types.ModuleType:
        module = types.ModuleType("solution")
        module.__file__ = "solution.py"
        sys.modules["solution"] = module
        exec(solution, module.__dict__)  # noqa: S102  # what this program is for
        tests = types.ModuleType("test_solution")
        tests.__file__ = "test_solution.py"
        sys.modules["test_solution"] = tests
        tests.__dict__["__kodcode_note__"] = self.note
        tests.__dict__["__kodcode_late__"] = Late
        exec(self.code, tests.__dict__)  # noqa: S102
        return tests

    def claimed(self) -> str:
        """A character a site: '1' held each time, '0' did not, '-' was not reached."""
        shown = {True: "1", False: "0", None: "-"}
        return "".join(shown[self.claims.get(site)] for site in range(len(self.sites)))


class Softener(ast.NodeTransformer):
    """Puts every statement that asserts into a `try` that notes how it went."""

    def __init__(self, sites: list[str]) -> None:
        self.sites = sites

    def visit_Assert(self, node: ast.Assert) -> ast.AST:  # ast's names
        return self._noted(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        called = node.value.func if isinstance(node.value, ast.Call) else None
        name = called.attr if isinstance(called, ast.Attribute) else ""
        return self._noted(node) if name.lower().startswith("assert") else node

    def visit_With(self, node: ast.With) -> ast.AST:
        for item in node.items:
            called = item.context_expr.func if isinstance(item.context_expr, ast.Call) else None
            if getattr(called, "attr", getattr(called, "id", "")) in _RAISING:
                return self._noted(node)
        return self.generic_visit(node)

    def _noted(self, node: ast.stmt) -> ast.AST:
        site = len(self.sites)
        self.sites.append(str(node.lineno - 2))
        late = ast.ExceptHandler(ast.Name("__kodcode_late__", ast.Load()), None, [ast.Raise()])
        failed = ast.ExceptHandler(ast.Name("BaseException", ast.Load()), None, [_note(site, False)])
        return ast.copy_location(ast.Try([node], [late, failed], [_note(site, True)], []), node)


def _note(site: int, held: bool) -> ast.stmt:
    return ast.Expr(ast.Call(ast.Name("__kodcode_note__", ast.Load()), [ast.Constant(site), ast.Constant(held)], []))
