"""The same engine with fewer rights: as an ordinary user, and where a container's filter forbids namespaces."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# What Docker's default profile takes from a process without CAP_SYS_ADMIN, and optionally Landlock too.
FILTER = """
import struct
from tasks.sandbox.guest import kernel
def forbid(numbers):
    program = [(0x20, 0, 0, 0)]
    for number in numbers:
        program += [(0x15, 0, 1, number), (0x06, 0, 0, 0x50000 | 1)]
    program += [(0x15, 0, 1, 435), (0x06, 0, 0, 0x50000 | 38)]
    program += [(0x15, 0, 3, 56), (0x20, 0, 0, 16), (0x45, 0, 1, 0x7E020000), (0x06, 0, 0, 0x50000 | 1)]
    program += [(0x06, 0, 0, 0x7FFF0000)]
    kernel.no_new_privileges()
    kernel.install_seccomp(b"".join(struct.pack("=HBBI", *line) for line in program))
NAMESPACES = [272, 308, 165, 166, 155, 161, 429, 428, 430, 432, 433, 442]
LANDLOCK = [444, 445, 446]
"""

RUN = """
import json, os, sys
from tasks.sandbox import Job, Policy, Sandbox
test = "def test_one():\\n    assert add(1, 2) == 3\\ndef test_two():\\n    assert add(2, 2) == 4\\n"
right = "def add(a, b):\\n    return a + b\\n"
def succeeds_if(body):
    lines = "".join("    " + line + "\\n" for line in body.split("\\n"))
    return ("def attack():\\n" + lines + "try:\\n    WORKED = attack()\\nexcept BaseException:\\n    WORKED = False\\n"
            "def add(a, b):\\n    return a + b if WORKED else None\\n")
folder = sys.argv[1]
os.environ["KODCODE_CANARY"] = "canary"
attacks = {
    "write": f"open({folder + '/file'!r}, 'w').write('x')\\nreturn True",
    "write elsewhere": "open('/var/tmp/kodcode-escape', 'w').close()\\nreturn True",
    "read": f"return bool(open({folder + '/file'!r}).read())",
    "shadow": "return bool(open('/etc/shadow').read())",
    "environment": "return 'canary' in open('/proc/self/environ').read()",
    "foreign environment": f"return 'canary' in open('/proc/{os.getpid()}/environ').read()",
    "own environment": "import os\\nreturn 'canary' in str(os.environ)",
    "kill": f"import os\\nos.kill({os.getpid()}, 0)\\nreturn True",
    "kill the parent": "import os\\nassert os.getppid()\\nos.kill(os.getppid(), 0)\\nreturn True",
    "kill all": "import os\\nos.kill(-1, 0)\\nreturn True",
    "socket": "import socket\\nsocket.socket()\\nreturn True",
    "unix socket": "import socket\\nsocket.socket(socket.AF_UNIX)\\nreturn True",
    "fork": "import os\\nreturn os.fork() >= 0",
    "exec": "import os\\nos.execv('/bin/true', ['true'])",
    "trace": "import ctypes\\nreturn ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0",
    "capabilities": "import ctypes\\nh = (ctypes.c_uint32 * 2)(0x20080522, 0)\\nd = (ctypes.c_uint32 * 6)()\\n"
                    "return ctypes.CDLL(None).capget(h, d) == 0 and bool(d[0])",
    "exit": "import os\\nos._exit(77)",
    "disk": "f = open('big', 'wb')\\nwhile True: f.write(bytes(10**6)); f.flush()",
    "files": "i = 0\\nwhile True:\\n    open(str(i), 'wb').write(bytes(10**6)); i += 1",
    "loop": "while True: pass",
}
reaching = ("import os\\ndef reached(what):\\n    try:\\n"
            "        open(f'/proc/{os.getppid()}/{what}', 'rb').read(1)\\n"
            "    except OSError:\\n        return False\\n    return True\\n")
unreached = ("def test_it():\\n"
             "    for what in ('mem', 'maps', 'environ', 'fd/4'):\\n        assert not reached(what)\\n")
policy = Policy(timeout_s=2, memory_mb=300, disk_mb=16, jobs=1, allow_weak=len(sys.argv) > 2)
with Sandbox(policy) as sandbox:
    verdicts = {"right": sandbox.submit(Job("right", right, test=test)).result()}
    for name, body in attacks.items():
        verdicts[name] = sandbox.submit(Job(name, succeeds_if(body), test=test)).result()
        verdicts["after " + name] = sandbox.submit(Job(name, right, test=test)).result()
    program = Job("p", "print(int(input()) * 2)", judge="stdio", stdin=("4",), stdout=("8",))
    verdicts["stdio"] = sandbox.submit(program).result()
    confirmed = sandbox.submit(Job("c", reaching, test=unreached, confirm=True, timeout_s=20)).result()
    print(json.dumps({"confirmed": confirmed.kind, "apart": confirmed.apart,
                      "level": sandbox.level, "uid": os.geteuid(), "attacks": list(attacks),
                      "kinds": {n: v.kind for n, v in verdicts.items()},
                      "passed": {n: v.passed for n, v in verdicts.items()},
                      "coverage": verdicts["right"].coverage}))
"""


def _run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )


def _check(done: subprocess.CompletedProcess[str], level: str, canary: Path) -> dict:
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["level"] == level
    for name, passed in result["passed"].items():
        assert passed == (name not in result["attacks"]), (name, result["kinds"][name])
    assert result["coverage"] == 100.0
    # Solution and tests in two processes, of which one tried to read the other.
    assert (result["confirmed"], result["apart"]) == ("passed", True)
    assert result["kinds"]["loop"] == "timed_out"
    assert (canary / "file").read_text() == "canary"
    assert not Path("/var/tmp/kodcode-escape").exists()
    return result


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("canary")
    (tmp_path / "file").chmod(0o666)
    return tmp_path


x86 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the emulated filter is written for x86-64")


@x86
def test_inside_a_container_without_namespaces(canary: Path) -> None:
    _check(_run(FILTER + "forbid(NAMESPACES)\n" + RUN, str(canary)), "container", canary)
    leftovers = [path for path in Path("/tmp").glob("kodcode-slot-*") if (path / "w" / "big").exists()]
    assert leftovers == []


@x86
def test_without_landlock_namespaces_suffice(canary: Path) -> None:
    _check(_run(FILTER + "forbid(LANDLOCK)\n" + RUN, str(canary)), "full", canary)


@x86
def test_with_neither_it_refuses_and_says_what_is_missing() -> None:
    done = _run(FILTER + "forbid(NAMESPACES + LANDLOCK)\n" + RUN, "/nowhere")
    assert done.returncode == 1
    assert "SandboxError" in done.stderr and "user namespace" in done.stderr and "landlock" in done.stderr


@x86
def test_the_weak_sandbox_runs_when_asked_for_and_says_what_it_is() -> None:
    script = FILTER + textwrap.dedent("""
        forbid(NAMESPACES + LANDLOCK)
        from tasks.sandbox import Job, Policy, Sandbox
        with Sandbox(Policy(allow_weak=True, jobs=1)) as sandbox:
            verdict = sandbox.submit(Job("a", "x = 1", test="def test_a():\\n    assert x == 1\\n")).result()
            print(sandbox.level, verdict.level, verdict.kind)
    """)
    done = _run(script)
    assert done.stdout == "weak weak passed\n", done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user")
def test_as_an_ordinary_user(canary: Path) -> None:
    """The way to the interpreter may lead through root's home: it is laid open in a mount namespace of its own."""
    become = textwrap.dedent("""
        import os, sys
        from tasks.sandbox.guest import kernel
        kernel.unshare(kernel.CLONE_NEWNS)
        kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
        prefix = sys.base_prefix
        closed = "/" + prefix.split("/")[1]
        if os.stat(closed).st_mode & 0o5 != 0o5:
            fd = os.open(prefix, os.O_PATH)
            kernel.mount("tmpfs", closed, "tmpfs", 0, "mode=755")
            os.makedirs(prefix)
            kernel.mount(f"/proc/self/fd/{fd}", prefix, None, kernel.MS_BIND | kernel.MS_REC)
            os.close(fd)
        os.setgroups([])
        os.setresgid(61235, 61235, 61235)
        os.setresuid(61235, 61235, 61235)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
        os.environ["HOME"] = "/nonexistent"
    """)
    canary.chmod(0o777)
    for parent in canary.parents:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/tmp") and str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    result = _check(_run(become + RUN, str(canary)), "full", canary)
    assert result["uid"] == 61235
