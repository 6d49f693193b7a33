"""The modules of `guest` as one program text, which a sandbox job takes.

They are compiled here once, not in every job: the text holds bytecode for interpreters of this one's version, and the
sources for others.
"""

from __future__ import annotations

import base64
import json
import marshal
import zlib
from functools import cache
from importlib.util import MAGIC_NUMBER
from pathlib import Path

_FOLDER = Path(__file__).parent / "guest"
_MODULES = ("clock", "room", "suite", "call", "collect", "runs")  # each after those that it imports
_BOOT = """\
import binascii, json, marshal, sys, types, zlib
from importlib.util import MAGIC_NUMBER
same = MAGIC_NUMBER == {magic!r}
text = zlib.decompress(binascii.a2b_base64({bytecode!r} if same else {sources!r}))
sys.modules["guest"] = types.ModuleType("guest")
for name, code in (marshal.loads(text) if same else json.loads(text)).items():
    module = sys.modules["guest." + name] = types.ModuleType("guest." + name)
    module.__package__ = "guest"
    setattr(sys.modules["guest"], name, module)
    exec(code if same else compile(code, "guest/" + name + ".py", "exec"), module.__dict__)
sys.modules["guest.runs"].main()
"""


@cache
def program() -> str:
    """The program's text, about 30 kB."""
    sources = {name: (_FOLDER / f"{name}.py").read_text("utf-8") for name in _MODULES}
    bytecode = {
        name: compile(source, f"guest/{name}.py", "exec", dont_inherit=True) for name, source in sources.items()
    }
    return _BOOT.format(
        magic=MAGIC_NUMBER, bytecode=_packed(marshal.dumps(bytecode)), sources=_packed(json.dumps(sources).encode())
    )


def _packed(text: bytes) -> bytes:
    return base64.b64encode(zlib.compress(text))
