"""Runs many solutions against many test modules in one process. This file is the program of a sandbox job.

It reads a plan (JSON) from standard input and writes two lines a run, to a descriptor that judged code is not handed:
the run's number when it begins, then `{"run", "outcomes", "why", "took_s", "tests"}`. A run that stops the process
leaves its second line out, and the supervisor goes on behind it in a new process. `usual` in the plan and `times` in a
run bound a mutant's time by what the unchanged solution needs. It imports the standard library alone; pytest only
where the tests do.

It knows a part of pytest: functions, classes, fixtures of the module, parametrize, unittest.TestCase. A test module
that needs more is `unsupported`, and no outcome is made up for it.
"""

import ast
import gc
import inspect
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time
import types

PASSED, FAILED = "1", "0"
_REPEATS_BEFORE_EXIT = 40


class Unsupported(Exception):
    """The test module uses what this runner does not know."""


class Late(BaseException):
    """The run used up its time. No Exception, so that `except Exception` in judged code lets it through."""


class Clock:
    """Ends a run that computes or waits too long; one that swallows this again and again ends the process."""

    def __init__(self):
        self.fired = 0
        signal.signal(signal.SIGPROF, self._fire)
        signal.signal(signal.SIGALRM, self._fire)

    def _fire(self, number, frame):
        self.fired += 1
        if self.fired > _REPEATS_BEFORE_EXIT:
            os._exit(9)
        raise Late()

    def start(self, cpu_s, wall_s):
        self.fired = 0
        signal.setitimer(signal.ITIMER_PROF, cpu_s, 0.005)
        signal.setitimer(signal.ITIMER_REAL, wall_s, 0.05)

    def stop(self):
        while True:
            try:
                signal.setitimer(signal.ITIMER_PROF, 0)
                signal.setitimer(signal.ITIMER_REAL, 0)
                return
            except Late:
                continue


class Suite:
    """A test module, compiled once; every run executes it anew around the run's own solution.

    `soft`: an assertion that fails is noted and the test goes on, so that each is a claim of its own. `sites` are
    their lines and `claims` what was seen of each in the run under way.
    """

    def __init__(self, source, soft=False):
        tree = ast.parse("from solution import *\n\n" + source, "test_solution.py")
        self.sites = []
        self.claims = {}
        if soft:
            tree = ast.fix_missing_locations(Softener(self.sites).visit(tree))
        self.code = compile(tree, "test_solution.py", "exec", dont_inherit=True)

    def note(self, site, held):
        self.claims[site] = held and self.claims.get(site, True)

    def load(self, solution):
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


class Softener(ast.NodeTransformer):
    """Puts every statement that asserts into a `try` that notes how it went."""

    def __init__(self, sites):
        self.sites = sites

    def visit_Assert(self, node):
        return self.noted(node)

    def visit_Expr(self, node):
        called = node.value.func if isinstance(node.value, ast.Call) else None
        name = called.attr if isinstance(called, ast.Attribute) else ""
        return self.noted(node) if name.lower().startswith("assert") else node

    def visit_With(self, node):
        for item in node.items:
            called = item.context_expr.func if isinstance(item.context_expr, ast.Call) else None
            if getattr(called, "attr", getattr(called, "id", "")) in (
                "raises",
                "assertRaises",
                "assertRaisesRegex",
                "warns",
            ):
                return self.noted(node)
        return self.generic_visit(node)

    def noted(self, node):
        site = len(self.sites)
        self.sites.append(str(node.lineno - 2))
        pattern = (
            f"try:\n    pass\nexcept __kodcode_late__:\n    raise\nexcept BaseException:\n"
            f"    __kodcode_note__({site}, False)\nelse:\n    __kodcode_note__({site}, True)\n"
        )
        guarded = ast.parse(pattern).body[0]
        guarded.body = [node]
        return ast.copy_location(guarded, node)


def collect(tests):
    """(name, call) of every test in pytest's order."""
    found = []
    space = dict(vars(tests))
    for name in (
        "setup_module",
        "teardown_module",
        "setUpModule",
        "tearDownModule",
        "pytest_generate_tests",
        "load_tests",
    ):
        if name in space:
            raise Unsupported(name)
    fixtures = {name: value for name, value in space.items() if is_fixture(value)}
    autouse = [name for name, value in fixtures.items() if value._fixture_function_marker.autouse]
    marks = space.get("pytestmark")
    if marks:
        raise Unsupported("pytestmark")
    for name, value in space.items():
        if isinstance(value, type):
            if is_testcase(value):
                found += [(f"{name}.{method}", unittest_call(value, method)) for method in testcase_names(value)]
            elif name.startswith("Test") and "__init__" not in vars(value) and getattr(value, "__test__", True):
                found += class_tests(name, value, fixtures, autouse)
        elif name.startswith("test") and isinstance(value, types.FunctionType) and getattr(value, "__test__", True):
            for label, arguments in cases(name, value):
                found.append((label, function_call(value, arguments, fixtures, autouse)))
        elif name.startswith("test") and callable(value) and not is_fixture(value):
            raise Unsupported(f"{name} is a {type(value).__name__}")
    return found


def is_fixture(value):
    return type(value).__name__ == "FixtureFunctionDefinition" and hasattr(value, "_fixture_function_marker")


def is_testcase(value):
    unittest = sys.modules.get("unittest")
    return unittest is not None and issubclass(value, unittest.TestCase) and value is not unittest.TestCase


def testcase_names(kind):
    return sys.modules["unittest"].TestLoader().getTestCaseNames(kind)


def unittest_call(kind, method):
    unittest = sys.modules["unittest"]

    def call():
        if inspect.iscoroutinefunction(getattr(kind, method)):
            raise Unsupported("an asynchronous test")
        result = unittest.TestResult()
        unittest.TestSuite([kind(method)]).run(result)
        for _, text in result.errors + result.failures:
            if "Late" in text.rpartition("\n")[0].splitlines()[-1]:
                raise Late()
        if result.skipped or result.expectedFailures or result.unexpectedSuccesses:
            raise Unsupported("skips and expected failures")
        if not result.wasSuccessful() or result.testsRun != 1:
            raise AssertionError("the TestCase failed")

    return call


def class_tests(name, kind, fixtures, autouse):
    for other in ("setup_class", "teardown_class", "setup", "teardown"):
        if hasattr(kind, other):
            raise Unsupported(other)
    if getattr(kind, "pytestmark", None):
        raise Unsupported("pytestmark")
    own = dict(fixtures)
    automatic = list(autouse)
    for attribute in dir(kind):
        value = inspect.getattr_static(kind, attribute)
        if is_fixture(value):
            own[attribute] = value
            if value._fixture_function_marker.autouse:
                automatic.append(attribute)
    found = []
    names = [key for base in reversed(kind.__mro__) for key in vars(base)]
    for attribute in dict.fromkeys(names):
        value = inspect.getattr_static(kind, attribute)
        if not attribute.startswith("test"):
            continue
        if isinstance(value, (staticmethod, classmethod)):
            raise Unsupported("static and class methods as tests")
        if isinstance(value, types.FunctionType):
            for label, arguments in cases(f"{name}.{attribute}", value):
                found.append((label, function_call(value, arguments, own, automatic, kind)))
    return found


def cases(name, function):
    """The parametrized forms of a test: (name, arguments)."""
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise Unsupported("an asynchronous or generator test")
    sets = []
    for mark in reversed(getattr(function, "pytestmark", [])):
        if mark.name != "parametrize":
            if mark.name in ("skip", "skipif", "xfail", "usefixtures"):
                raise Unsupported(f"the mark {mark.name}")
            continue
        if mark.kwargs.get("indirect"):
            raise Unsupported("indirect parameters")
        names = mark.args[0] if mark.args else mark.kwargs["argnames"]
        values = mark.args[1] if len(mark.args) > 1 else mark.kwargs["argvalues"]
        names = [part.strip() for part in names.split(",") if part.strip()] if isinstance(names, str) else list(names)
        sets.append([dict(zip(names, parameters(value, len(names)), strict=True)) for value in values])
    if not sets:
        return [(name, {})]
    joined = []
    for number, combination in enumerate(itertools.product(*sets)):
        arguments = {}
        for part in combination:
            arguments.update(part)
        joined.append((f"{name}[{number}]", arguments))
    return joined


def parameters(value, count):
    """One set of values as a sequence of `count`."""
    if type(value).__name__ == "ParameterSet":
        if value.marks:
            raise Unsupported("marks on parameters")
        return value.values
    return (value,) if count == 1 else value


def function_call(function, arguments, fixtures, autouse, kind=None):
    def call():
        endings = []
        made = {}
        instance = kind() if kind is not None else None

        def value_of(name):
            if name not in made:
                made[name] = make(name, fixtures, value_of, endings, instance)
            return made[name]

        try:
            for name in autouse:
                value_of(name)
            setup(instance, "setup_method", function)
            given = {}
            for number, parameter in enumerate(inspect.signature(function).parameters.values()):
                if instance is not None and number == 0:
                    continue
                if parameter.default is not inspect.Parameter.empty or parameter.kind in (
                    inspect.Parameter.VAR_POSITIONAL,
                    inspect.Parameter.VAR_KEYWORD,
                ):
                    continue
                name = parameter.name
                given[name] = arguments[name] if name in arguments else value_of(name)
            result = function(instance, **given) if instance is not None else function(**given)
            if inspect.isawaitable(result):
                raise Unsupported("an awaitable test")
        finally:
            setup(instance, "teardown_method", function)
            for ending in reversed(endings):
                ending()

    return call


def setup(instance, name, function):
    method = getattr(instance, name, None)
    if method is not None:
        method(function) if inspect.signature(method).parameters else method()


def make(name, fixtures, value_of, endings, instance):
    """The value of a fixture; what ends it goes to `endings`."""
    if name == "tmp_path":
        return pathlib.Path(tempfile.mkdtemp(dir="."))
    if name == "monkeypatch":
        import pytest  # noqa: PLC0415  # dear, and few tests need it

        patch = pytest.MonkeyPatch()
        endings.append(patch.undo)
        return patch
    if name not in fixtures:
        raise Unsupported(f"the fixture {name}")
    fixture = fixtures[name]
    if fixture._fixture_function_marker.params is not None:
        raise Unsupported("a parametrized fixture")
    function = fixture._get_wrapped_function()
    given = {}
    for number, parameter in enumerate(inspect.signature(function).parameters):
        if number == 0 and parameter == "self":
            given[parameter] = instance
        else:
            given[parameter] = value_of(parameter)
    if inspect.isgeneratorfunction(function):
        generator = function(**given)
        endings.append(lambda: next(generator, None))
        return next(generator)
    return function(**given)


def twice(call):
    """The first of two times, whose outcome the second has to repeat."""
    try:
        call()
    except (Late, Unsupported):
        raise
    except BaseException:  # noqa: BLE001  # whatever judged code raises is an outcome
        return


def arranged(tests, order):
    if order == "reversed":
        return list(reversed(tests))
    if order == "shuffled":
        shuffled = list(tests)
        random.Random(20250302).shuffle(shuffled)  # noqa: S311  # the same order each time
        return shuffled
    return tests


def shift_clock(seconds):
    """time.time and its kin, from another day; returns what undoes it."""
    original = {name: getattr(time, name) for name in ("time", "time_ns")}
    time.time = lambda: original["time"]() + seconds
    time.time_ns = lambda: original["time_ns"]() + int(seconds * 1e9)
    return lambda: [setattr(time, name, value) for name, value in original.items()]


class Room:
    """A fresh working folder, and the process put back as it was when the run is over."""

    def __enter__(self):
        self.home = pathlib.Path.cwd()
        self.folder = tempfile.mkdtemp(dir=self.home)
        os.chdir(self.folder)
        self.limit = sys.getrecursionlimit()
        self.environment = dict(os.environ)
        self.builtins = dict(vars(builtins_module))
        self.path = list(sys.path)

    def __exit__(self, *error):
        os.chdir(self.home)
        shutil.rmtree(self.folder, ignore_errors=True)
        sys.setrecursionlimit(self.limit)
        if dict(os.environ) != self.environment:
            os.environ.clear()
            os.environ.update(self.environment)
        vars(builtins_module).update(self.builtins)
        sys.path[:] = self.path
        for name in ("solution", "test_solution"):
            sys.modules.pop(name, None)


builtins_module = sys.modules["builtins"]


def execute(suite, solution, run, clock):
    """(names, outcomes, why): `why` is empty, or says what ended the run before its tests did."""
    random.seed(run.get("seed", 0))
    suite.claims.clear()
    undo = shift_clock(run["clock"]) if run.get("clock") else None
    soft = run.get("soft")
    names = []
    with Room():
        clock.start(run["cpu_s"], run["wall_s"])
        try:
            try:
                verdicts = run_tests(suite, solution, run, clock, names)
                if clock.fired:
                    raise Late()
            finally:
                clock.stop()
                if undo:
                    undo()
        except Unsupported as reason:
            return names, "", f"unsupported: {reason}"
        except BaseException as error:  # noqa: BLE001  # whatever judged code raises is an outcome
            if not soft:
                return names, "", "timed out" if isinstance(error, Late) else f"error: {type(error).__name__}"
    if soft:  # what was claimed before the module broke off was claimed
        return suite.sites, claimed(suite), ""
    return names, "".join(verdicts.get(name, "-") for name in names), ""


def run_tests(suite, solution, run, clock, names):
    """The outcome of every test that was reached; `names` gets those of all tests."""
    order = run.get("order")
    tests = collect(suite.load(solution))
    names += [name for name, _ in tests]
    verdicts = {}
    for position, (name, call) in enumerate(arranged(tests, order)):
        if order == "repeated":
            twice(call)
        anew = order == "alone" and position
        verdicts[name] = outcome(dict(collect(suite.load(solution)))[name] if anew else call, clock)
        if verdicts[name] == FAILED and run.get("first"):
            break
    return verdicts


def outcome(call, clock):
    try:
        call()
    except (Late, Unsupported):
        raise
    except BaseException as error:
        if clock.fired:
            raise Late() from error
        if type(error).__name__ == "Skipped":
            raise Unsupported("a test that skips") from error
        return FAILED
    return PASSED


def claimed(suite):
    shown = {True: PASSED, False: FAILED}
    return "".join(shown.get(suite.claims.get(site), "-") for site in range(len(suite.sites)))


def main():
    plan = json.loads(sys.stdin.read())
    report = os.dup(1)
    silent = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(silent, descriptor)
    gc.freeze()
    clock = Clock()
    suites, solutions, usual = {}, {}, plan["usual"]
    endless = set()  # suites that do not end even with their own solution: the others get less time for them
    for number, run in enumerate(plan["runs"]):
        started = time.perf_counter()
        try:
            key = run["suite"], run.get("soft", False)
            if key not in suites:
                suites[key] = Suite(plan["suites"][run["suite"]], soft=key[1])
            if run["solution"] not in solutions:
                source = plan["solutions"][run["solution"]]
                solutions[run["solution"]] = compile(source, "solution.py", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            names, outcomes, why = [], "", f"error: {type(error).__name__}"
        else:
            os.write(report, b"%d\n" % number)
            if "times" in run and run["suite"] in usual:
                run["cpu_s"] = 0.02 + run["times"] * usual[run["suite"]]
            elif key in endless:
                run["cpu_s"] = min(run["cpu_s"], 0.03)
            begun = time.perf_counter()
            names, outcomes, why = execute(suites[key], solutions[run["solution"]], run, clock)
            if run.get("names") and clock.fired:
                endless.add(key)
            if run.get("names") and not key[1]:
                usual[run["suite"]] = time.perf_counter() - begun
        line = {
            "run": number,
            "outcomes": outcomes,
            "why": why[:200],
            "took_s": round(time.perf_counter() - started, 6),
        }
        if run.get("names"):
            line["tests"] = names
        os.write(report, (json.dumps(line) + "\n").encode())


main()
