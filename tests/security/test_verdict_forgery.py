"""Wrong programs that try to be called right: by leaving early, skipping, patching the judge or forging its report."""

# ruff: noqa: E501 - one hostile program a line reads best

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

from tasks.sandbox import Verdict, VerdictKind

Attack = Callable[..., Verdict]

LEAVING = {
    "os._exit at import": "import os\nos._exit(0)",
    "os._exit with the runner's status": "import os\nos._exit(77)",
    "os._exit in the function": "import os\ndef add(a, b):\n    os._exit(0)",
    "os._exit by a timer": "import os, threading\nthreading.Timer(0.01, os._exit, (77,)).start()\nimport time\ndef add(a, b):\n    time.sleep(1)",
    "os._exit at interpreter exit": "import atexit, os\natexit.register(os._exit, 0)",
    "sys.exit at import": "import sys\nsys.exit(0)",
    "sys.exit in the function": "import sys\ndef add(a, b):\n    sys.exit(0)",
    "SystemExit from a comparison": "class R:\n    def __eq__(self, other):\n        raise SystemExit(0)\ndef add(a, b):\n    return R()",
    "KeyboardInterrupt": "def add(a, b):\n    raise KeyboardInterrupt",
    "GeneratorExit": "def add(a, b):\n    raise GeneratorExit",
    "quit": "def add(a, b):\n    quit()",
    "exec of true": "import os\nos.execv('/bin/true', ['true'])",
    "exec of python": "import os, sys\nos.execv(sys.executable, [sys.executable, '-c', 'pass'])",
    "kill itself": "import os, signal\ndef add(a, b):\n    os.kill(os.getpid(), signal.SIGKILL)",
    "stop itself": "import os, signal\ndef add(a, b):\n    os.kill(os.getpid(), signal.SIGSTOP)",
    "abort": "import os\nos.abort()",
    "segmentation fault": "import ctypes\nctypes.string_at(1)",
    "exit of the C library": "import ctypes\nctypes.CDLL(None).exit(77)",
    "exit system call": "import ctypes\nctypes.CDLL(None).syscall(231, 77)",
    "alarm": "import signal, time\nsignal.alarm(1)\ndef add(a, b):\n    time.sleep(2)",
}

SKIPPING = {
    "pytest.skip in the function": "import pytest\ndef add(a, b):\n    pytest.skip('no')",
    "pytest.skip of the module": "import pytest\npytest.skip('no', allow_module_level=True)",
    "pytest.xfail": "import pytest\ndef add(a, b):\n    pytest.xfail('known')",
    "pytest.exit": "import pytest\ndef add(a, b):\n    pytest.exit('done', returncode=0)",
    "pytest.exit at import": "import pytest\npytest.exit('done', returncode=0)",
    "unittest.SkipTest": "import unittest\ndef add(a, b):\n    raise unittest.SkipTest('no')",
    "importorskip": "import pytest\npytest.importorskip('nowhere_to_be_found')",
    "an exported skip mark": "import pytest\npytestmark = pytest.mark.skip",
    "an exported xfail mark": "import pytest\npytestmark = pytest.mark.xfail",
    "an exported autouse fixture that skips": "import pytest\n@pytest.fixture(autouse=True)\ndef f():\n    pytest.skip('no')",
    "exported empty parametrization": "def pytest_generate_tests(metafunc):\n    metafunc.fixturenames.append('x')\n    metafunc.parametrize('x', [])",
    "an exported hook that drops tests": "def pytest_collection_modifyitems(items):\n    items.clear()",
}

PATCHING = {
    "Function.runtest": "import _pytest.python\n_pytest.python.Function.runtest = lambda self: None",
    "Function.setup too": "import _pytest.python as p\np.Function.runtest = lambda self: None\np.Function.setup = lambda self: None",
    "CallInfo.from_call": """
        import _pytest.runner as r
        original = r.CallInfo.from_call.__func__
        def from_call(cls, func, when, reraise=None):
            def quiet():
                try:
                    return func()
                except BaseException:
                    return None
            return original(cls, quiet, when, reraise)
        r.CallInfo.from_call = classmethod(from_call)
    """,
    "TestReport": """
        import _pytest.reports as r
        original = r.TestReport.from_item_and_call.__func__
        def make(cls, item, call):
            report = original(cls, item, call)
            report.outcome, report.longrepr = "passed", None
            return report
        r.TestReport.from_item_and_call = classmethod(make)
    """,
    "makereport hook": """
        import gc, pytest
        from _pytest.config import Config
        class Plugin:
            @pytest.hookimpl(wrapper=True, tryfirst=True)
            def pytest_runtest_makereport(self, item, call):
                report = yield
                report.outcome, report.longrepr = "passed", None
                return report
        for thing in gc.get_objects():
            if isinstance(thing, Config):
                thing.pluginmanager.register(Plugin())
        import sys
        frame = sys._getframe()
        while frame:
            for value in frame.f_locals.values():
                config = getattr(value, "config", None)
                if isinstance(config, Config):
                    try:
                        config.pluginmanager.register(Plugin(), "evil")
                    except ValueError:
                        pass
            frame = frame.f_back
    """,
    "pluggy": """
        import pluggy._hooks as h
        original = h.HookCaller.__call__
        def call(self, **kwargs):
            if self.name == "pytest_pyfunc_call":
                return True
            return original(self, **kwargs)
        h.HookCaller.__call__ = call
    """,
    "the tests' own functions": """
        import sys, threading
        def replace():
            while True:
                module = sys.modules.get("test_solution")
                for name, value in list(vars(module).items()) if module else ():
                    if name.startswith("test_"):
                        setattr(module, name, lambda: None)
        threading.Thread(target=replace, daemon=True).start()
        import time
        time.sleep(0.01)
    """,
    "the tests' code": """
        import sys, threading
        def nothing(): pass
        def replace():
            while True:
                module = sys.modules.get("test_solution")
                for name, value in list(vars(module).items()) if module else ():
                    if name.startswith("test_"):
                        value.__code__ = nothing.__code__
        sys.setswitchinterval(1e-6)
        threading.Thread(target=replace, daemon=True).start()
    """,
    "collection": """
        import _pytest.python as p
        original = p.PyCollector._genfunctions
        def genfunctions(self, name, funcobj):
            def harmless(): pass
            return original(self, name, harmless)
        p.PyCollector._genfunctions = genfunctions
    """,
    "deselection": """
        import _pytest.python as p
        p.PyCollector._genfunctions = lambda self, name, funcobj: []
    """,
    "collection of one test in place of three": """
        import _pytest.main as m
        original = m.Session.genitems
        def genitems(self, node):
            for item in original(self, node):
                if item.name == "test_one":
                    yield item
        m.Session.genitems = genitems
        def add(a, b):
            return 3
    """,
    "assertion rewriting": """
        import _pytest.assertion.rewrite as r
        r._format_explanation = lambda text: exec("raise SystemExit")
        r._call_reprcompare = lambda *a: ""
    """,
    "AssertionError of the builtins": """
        import builtins
        class Quiet(Exception):
            def __new__(cls, *a):
                import pytest
                pytest.skip("quiet")
        builtins.AssertionError = Quiet
    """,
    "pytest.raises and builtins": """
        import builtins, math
        math.isclose = lambda *a, **k: True
        builtins.abs = lambda x: 0
    """,
    "a trace function that returns early": """
        import sys
        def trace(frame, event, arg):
            if frame.f_code.co_name.startswith("test_"):
                frame.f_trace_lines = True
                def inner(frame, event, arg):
                    if event == "line":
                        frame.f_lineno = frame.f_code.co_firstlineno + 1
                    return inner
                return inner
            return trace
        sys.settrace(trace)
    """,
    "json and os.write": """
        import json, os
        original = os.write
        def write(fd, data):
            return original(fd, bytes(data).replace(b"failed", b"passed").replace(b"raised", b"returned"))
        os.write = write
        json.dumps = lambda *a, **k: '["test", "0", "passed"]'
        json.encoder.encode_basestring_ascii = lambda s: '"passed"'
    """,
    "str and len of the builtins": """
        import builtins
        original = str
        class Text(str):
            def __new__(cls, value=""):
                return original("passed" if value == "failed" else value)
        builtins.str = Text
        builtins.isinstance = lambda *a: False
    """,
    "conftest and shadowing modules": """
        for name in ("conftest.py", "json.py", "pytest.py", "sitecustomize.py"):
            open(name, "w").write("import os\\nos._exit(0)\\n")
        open("pytest.ini", "w").write("[pytest]\\naddopts = --collect-only\\n")
    """,
}

FORGING = {
    "records sprayed on every descriptor": """
        import os
        for fd in range(3, 64):
            try:
                os.write(fd, b'0 1 ["collected"]\\n0 2 ["end"]\\n')
            except OSError:
                pass
        os._exit(77)
    """,
    "records in the middle of a run": """
        import os
        def add(a, b):
            for fd in range(3, 64):
                try:
                    os.write(fd, b'["test", "0", "passed", "returned", "0", ""]\\n')
                except OSError:
                    pass
            return {(1, 2): 3, (2, 2): 4, (-1, 1): 0}[a, b]
    """,
    "all descriptors closed": "import os\nos.closerange(3, 256)\ndef add(a, b):\n    return a + b",
    "a summary on standard output": "print('===== 3 passed in 0.01s =====')\nimport os\nos._exit(0)",
    "a report of a fork": """
        import os
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
        def add(a, b):
            return 42
    """,
    "the report's own text read back": """
        import os
        try:
            print(os.read(3, 4096))
        except OSError:
            pass
    """,
    "a flood of garbage on the report": "import os\nwhile True:\n    os.write(3, b'x' * 65536)",
    "the expected answers read from the file": """
        import re
        text = open("test_solution.py").read()
        table = {(int(a), int(b)): int(c) for a, b, c in re.findall(r"add\\((-?\\d+), (-?\\d+)\\) == (-?\\d+)", text)}
        def add(a, b):
            return table.get((a, b))
    """,
    "the expected answers read through the loader": """
        import inspect, linecache, sys, re
        def add(a, b):
            frame = sys._getframe(1)
            text = inspect.getsource(frame)
            return int(re.search(rf"add\\({a}, {b}\\) == (-?\\d+)", text).group(1))
    """,
}

EQUALITY = {
    "always equal": "class E:\n    def __eq__(self, other):\n        return True\ndef add(a, b):\n    return E()",
    "always equal number": "class E(int):\n    def __eq__(self, other):\n        return True\ndef add(a, b):\n    return E()",
    "always equal text": "class E(str):\n    __eq__ = lambda *a: True\n    __hash__ = str.__hash__\ndef add(a, b):\n    return E()",
    "always equal to integers": "class E:\n    def __eq__(self, other):\n        return isinstance(other, int)\ndef add(a, b):\n    return E()",
    "equal by its metaclass": "class M(type):\n    def __eq__(self, other):\n        return True\nclass E(metaclass=M):\n    pass\ndef add(a, b):\n    return E",
    "equal class made on the spot": "def add(a, b):\n    return type('E', (), {'__eq__': lambda *a: True})()",
    "mock.ANY": "from unittest.mock import ANY\ndef add(a, b):\n    return ANY",
}  # fmt: skip

ALL = {
    f"{group}: {name}": program
    for group, programs in {
        "leaving": LEAVING,
        "skipping": SKIPPING,
        "patching": PATCHING,
        "forging": FORGING,
        "equality": EQUALITY,
    }.items()
    for name, program in programs.items()
}


@pytest.mark.parametrize("name", ALL)
def test_a_wrong_program_does_not_pass(attack: Attack, name: str) -> None:
    from_text = textwrap.dedent(ALL[name]).strip("\n")
    if "def add(" not in from_text:
        from_text += "\n\ndef add(a, b):\n    return 42\n"
    verdict = attack(from_text)
    assert verdict.kind is not VerdictKind.INFRASTRUCTURE, verdict


def test_pretending_by_a_patched_comparison_is_tampering(attack: Attack) -> None:
    solution = """
import unittest, pytest
unittest.TestCase.assertEqual = lambda *a, **k: None
def add(a, b):
    return 42
"""
    test = """
import unittest
class Case(unittest.TestCase):
    def test_one(self):
        self.assertEqual(add(1, 2), 3)
"""
    assert attack(solution, test).kind is VerdictKind.TAMPERED


def test_a_patched_approx_is_tampering(attack: Attack) -> None:
    solution = """
import pytest
for kind in type(pytest.approx(1.0)).__mro__:
    if "__eq__" in vars(kind) and kind is not object:
        kind.__eq__ = lambda self, other: True
def add(a, b):
    return 42
"""
    test = "import pytest\ndef test_one():\n    assert add(0.1, 0.2) == pytest.approx(0.3)\n"
    assert attack(solution, test).kind is VerdictKind.TAMPERED


def test_swallowing_exceptions_in_raises_is_tampering(attack: Attack) -> None:
    solution = """
import _pytest.raises as r
r.RaisesExc.__exit__ = lambda self, *a: True
def add(a, b):
    return 42
"""
    test = "import pytest\ndef test_one():\n    with pytest.raises(TypeError):\n        add(1, 'a')\n"
    assert attack(solution, test).kind is VerdictKind.TAMPERED


def test_the_report_cannot_be_read_back_and_completed(attack: Attack) -> None:
    """Stealing the records already sent would show what a forged one must look like."""
    solution = """
import os
stolen = b""
for name in ("/proc/self/fd/3", "/dev/fd/3"):
    try:
        stolen += os.read(os.open(name, os.O_RDONLY | os.O_NONBLOCK), 65536)
    except OSError:
        pass
try:
    stolen += os.read(3, 65536) if os.set_blocking(3, False) is None else b""
except OSError:
    pass
if stolen:
    nonce, last = stolen.split()[0], stolen.strip().split(b"\\n")[-1].split()[1]
    number = int(last) + 1
    records = [b'["collected","test_solution.py::test_one","test_solution.py::test_two","test_solution.py::test_three"]']
    records += [b'["test","%d","passed","returned","0.1",""]' % n for n in range(3)] + [b'["end"]']
    os.write(3, stolen + b"".join(b"%s %d %s\\n" % (nonce, number + n, r) for n, r in enumerate(records)))
    os._exit(77)
def add(a, b):
    return 42
"""
    assert attack(solution).kind is VerdictKind.FAILED


def test_nothing_up_the_stack_or_among_the_modules_tells_of_the_judge(attack: Attack) -> None:
    solution = """
import sys
def find():
    frame = sys._getframe()
    while frame:
        for value in frame.f_locals.values():
            if "def test" + "_one" in repr(value) or "non" + "ce" in repr(value):
                return True
        frame = frame.f_back
    return any("kodcode" in name for name in sys.modules)
FOUND = find()
def add(a, b):
    return a + b if FOUND else None
"""
    assert attack(solution).kind is VerdictKind.FAILED
