"""Programs that solve their task only if they get out: to files, networks, processes or the kernel's doors."""

# ruff: noqa: E501 - one hostile program a line reads best

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

from tasks.sandbox import Verdict, VerdictKind

Attack = Callable[..., Verdict]

WRITING = {
    "the canary file": "open(FOLDER + '/file', 'w').write('x')\nreturn True",
    "a new file beside it": "open(FOLDER + '/new', 'w').close()\nreturn True",
    "anywhere outside": """
        import os
        for folder in ("/", "/var/tmp", "/root", "/etc", "/usr/lib", "/home", "/run", "/dev", "/proc", "/sys", "/init"):
            for name in ("kodcode-escape", "../kodcode-escape"):
                try:
                    open(os.path.join(folder, name), "w").close()
                    return True
                except OSError:
                    pass
        return False
    """,
    "the standard library": "import os\nopen(os.__file__, 'a').write('#')\nreturn True",
    "the installed packages": "import pytest\nopen(pytest.__file__, 'a').write('#')\nreturn True",
    "the modes of a library": "import os\nos.chmod(os.__file__, 0o777)\nreturn True",
    "by deleting everything": """
        import shutil
        shutil.rmtree("/", ignore_errors=True)
        import os
        return not os.path.exists(os.__file__)
    """,
    "by a link out of the folder": """
        import os
        os.symlink(FOLDER + "/file", "link")
        os.chmod("link", 0o777)
        open("link", "w").write("x")
        return True
    """,
    "by a hard link": "import os\nos.link(FOLDER + '/file', 'hard')\nopen('hard', 'w').write('x')\nreturn True",
    "by results planted as links": """
        import os
        for name in ("result.json", ".coverage", "report.xml", "stdout", "stderr"):
            os.symlink(FOLDER + "/file", name)
        os.remove("solution.py")
        os.symlink(FOLDER + "/file", "solution.py")
        open("solution.py", "w").write("x")
        return True
    """,
    "by climbing with a descriptor": """
        import os
        fd = os.open(".", os.O_RDONLY)
        for _ in range(20):
            fd = os.open("..", os.O_RDONLY, dir_fd=fd)
        os.open("tmp/" + FOLDER.rpartition("/")[2] + "/file", os.O_RDWR, dir_fd=fd)
        return True
    """,
}

READING = {
    "the canary file": "return 'canary' in open(FOLDER + '/file').read()",
    "the password hashes": "return bool(open('/etc/shadow').read())",
    "the host's users": "return 'nobody' in open('/etc/passwd').read()",
    "home folders": """
        import os, sys
        # The way to the interpreter may lead through one; nothing else of it is there.
        way = set(sys.base_prefix.split("/")) | set(sys.prefix.split("/"))
        return any(set(os.listdir(home)) - way for home in ("/root", "/home") if os.path.isdir(home))
    """,
    "the environment of the supervisor": "import os\nreturn 'canary' in str(dict(os.environ))",
    "environments in /proc": """
        import glob
        return any(b"canary" in open(name, "rb").read() for name in glob.glob("/proc/*/environ"))
    """,
    "the supervisor's command line": "return bool(open(f'/proc/{PID}/cmdline').read())",
    "foreign processes": """
        import os
        others = [name for name in os.listdir("/proc") if name.isdigit() and int(name) not in (1, os.getpid())]
        return bool(others)
    """,
    "memory of process 1": "return bool(open('/proc/1/mem', 'rb').read(1))",
    "the root of process 1": "import os\nreturn bool(os.listdir('/proc/1/root'))",
    "kernel symbols": "return bool(open('/proc/kallsyms').read(10))",
    "the kernel's log": "import ctypes\nreturn ctypes.CDLL(None).klogctl(3, ctypes.create_string_buffer(100), 100) > 0",
    "disks": "import glob\nreturn any(open(n, 'rb').read(1) for n in glob.glob('/dev/[svn]d*') + glob.glob('/dev/vd*'))",
    "descriptors left open": """
        import os
        return any(b"canary" in os.read(fd, 100000) for fd in range(4, 256) if _open(fd))
    """,
    "the host's name": "import socket\nreturn socket.gethostname() == open('/proc/sys/kernel/hostname').read()",
    "the repository": "import glob\nreturn bool(glob.glob('/**/pyproject.toml', recursive=True))",
}

NETWORK = {
    "a service on loopback": "import socket\nsocket.create_connection(('127.0.0.1', PORT), 1)\nreturn True",
    "the internet": "import socket\nsocket.create_connection(('1.1.1.1', 53), 1)\nreturn True",
    "names": "import socket\nreturn bool(socket.gethostbyname('example.com'))",
    "a unix socket": "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect(UNIX)\nreturn True",
    "an abstract socket": "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect('\\0' + ABSTRACT)\nreturn True",
    "the hypervisor": "import socket\ns = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)\ns.connect((2, 22))\nreturn True",
    "raw packets": "import socket\nsocket.socket(socket.AF_PACKET, socket.SOCK_RAW)\nreturn True",
    "netlink": "import socket\nsocket.socket(socket.AF_NETLINK, socket.SOCK_RAW)\nreturn True",
    "an end sent through a socketpair": """
        import socket
        a, b = socket.socketpair()
        b.close()
        a.connect(UNIX)
        return True
    """,
}

PROCESSES = {
    "killing the supervisor": "import os\nos.kill(PID, 9)\nreturn True",
    "killing process 1": "import os\nos.kill(1, 9)\nimport time\ntime.sleep(0.1)\nos.kill(1, 0)\nreturn not os.path.exists('/proc/1')",
    "killing everything": "import os\nos.kill(-1, 9)\nreturn False",
    "killing the process group": "import os\nos.killpg(0, 9)\nreturn False",
    "killing the parent": "import os\nos.kill(os.getppid(), 9)\nreturn False",
    "stopping the parent": "import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)\nreturn False",
    "tracing": "import ctypes\nreturn ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0",
    "reading another's memory": """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        return libc.syscall(310, 1, 0, 0, 0, 0, 0) == 0
    """,
    "forking": "import os\nreturn os.fork() >= 0",
    "starting a program": "import subprocess\nreturn subprocess.run(['/bin/true']).returncode == 0",
    "os.system": "import os\nreturn os.system('true') == 0",
    "multiprocessing": """
        import multiprocessing
        with multiprocessing.get_context("fork").Pool(1) as pool:
            return pool.map(abs, [1]) == [1]
    """,
    "raising limits": """
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return True
    """,
    "real time scheduling": "import os\nos.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))\nreturn True",
    "a higher priority": "import os\nos.nice(-5)\nreturn True",
    "becoming root": "import os\nos.setuid(0)\nreturn True",
    "capabilities": "return int(open('/proc/self/status').read().split('CapEff:')[1].split()[0], 16) != 0",
    "no lock on privileges": "return open('/proc/self/status').read().split('NoNewPrivs:')[1].split()[0] != '1'",
    "no filter": "return open('/proc/self/status').read().split('Seccomp:')[1].split()[0] != '2'",
}

_X86 = {
    "unshare": (272, 0x10000000),
    "setns": (308, 0),
    "mount": (165, 0),
    "pivot_root": (155, 0),
    "chroot": (161, 0),
    "clone in a new user namespace": (56, 0x10000011),
    "clone3": (435, 0),
    "fork": (57, 0),
    "vfork": (58, 0),
    "bpf": (321, 0),
    "io_uring": (425, 1),
    "keyctl": (250, 0),
    "add_key": (248, 0),
    "perf_event_open": (298, 0),
    "userfaultfd": (323, 0),
    "memfd_create": (319, 0),
    "shmget": (29, 0),
    "msgget": (68, 0),
    "semget": (64, 0),
    "kexec_load": (246, 0),
    "init_module": (175, 0),
    "open_by_handle_at": (304, 0),
    "sethostname": (170, 0),
    "settimeofday": (164, 0),
    "reboot": (169, 0),
    "swapoff": (168, 0),
    "quotactl": (179, 0),
    "personality": (135, 0x0040000),
    "ptrace": (101, 0),
    "process_vm_writev": (311, 0),
    "the 32-bit numbers of x32": (0x40000000 + 39, 0),
    "a number of the future": (600, 0),
    "a lock on a shared file (flock)": (73, 0),
}

TERMINAL = """
    import fcntl, os, termios
    for fd in (0, 1, 2):
        try:
            fcntl.ioctl(fd, termios.TIOCSTI, b"x")
            return True
        except OSError:
            pass
    for number in (termios.TIOCSTI, 0x541C, termios.TIOCSCTTY):
        for name in ("/dev/tty", "/dev/pts/0", "/dev/ptmx", "/dev/console"):
            try:
                fcntl.ioctl(os.open(name, os.O_RDWR), number, b"x")
                return True
            except OSError:
                pass
    return False
"""


def succeeds_if(body: str) -> str:
    """A program that solves its task only if `body`, a function's, returns something true: then the attack worked."""
    return (
        "def attack():\n"
        + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
        + "\ntry:\n    WORKED = attack()\nexcept BaseException as error:\n    WORKED = False\n    print(repr(error))\n"
        + "def add(a, b):\n    return a + b if WORKED else None\n"
    )


@pytest.mark.parametrize("name", WRITING)
def test_nothing_outside_is_written(attack: Attack, name: str) -> None:
    attack(succeeds_if(WRITING[name]))


@pytest.mark.parametrize("name", READING)
def test_nothing_of_the_host_is_read(attack: Attack, name: str) -> None:
    attack("import os\ndef _open(fd):\n    try:\n        return bool(os.fstat(fd))\n    except OSError:\n        return False\n"
           + succeeds_if(READING[name]))  # fmt: skip


@pytest.mark.parametrize("name", NETWORK)
def test_nothing_is_reached(attack: Attack, name: str) -> None:
    attack(succeeds_if(NETWORK[name]))


@pytest.mark.parametrize("name", PROCESSES)
def test_no_process_is_harmed_made_or_raised(attack: Attack, name: str) -> None:
    attack(succeeds_if(PROCESSES[name]))


@pytest.mark.parametrize("name", [n for n in PROCESSES if n not in {"forking", "starting a program", "os.system", "multiprocessing"}])
def test_no_process_is_harmed_where_processes_are_allowed(attack: Attack, name: str) -> None:
    attack(succeeds_if(PROCESSES[name]), processes=True)


@pytest.mark.parametrize("name", _X86)
def test_doors_into_the_kernel_are_shut(attack: Attack, name: str) -> None:
    number, argument = _X86[name]
    body = f"""
        import ctypes, os, platform
        assert platform.machine() == "x86_64"
        libc = ctypes.CDLL(None, use_errno=True)
        result = libc.syscall({number}, ctypes.c_long({argument}), 0, 0, 0, 0, 0)
        if result == 0 and {number} in (56, 57, 58):
            os._exit(0)
        return ctypes.get_errno() not in (1, 11, 38) if result < 0 else True
    """
    attack(succeeds_if(body))


def test_no_key_is_pushed_into_a_terminal(attack: Attack) -> None:
    attack(succeeds_if(TERMINAL))


def test_trials_at_the_same_time_cannot_talk_through_locks_or_keys(attack: Attack) -> None:
    body = """
        import fcntl, os
        fcntl.flock(os.open(os.__file__, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    """
    attack(succeeds_if(body))


def test_a_daemon_does_not_outlive_its_trial(attack: Attack) -> None:
    solution = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 256)
        while True:
            time.sleep(1)
    os._exit(0)
def add(a, b):
    return 42
"""
    verdict = attack(solution, processes=True)
    assert verdict.kind is VerdictKind.FAILED


def test_with_processes_allowed_children_work_and_their_reports_do_not_count(with_processes: object, attack: Attack) -> None:
    solution = """
import os
pid = os.fork()
if pid:
    os.waitpid(pid, 0)
WRONG = bool(pid)
def add(a, b):
    return 42 if WRONG else a + b
"""
    verdict = attack(solution, processes=True)
    assert verdict.kind is VerdictKind.FAILED
