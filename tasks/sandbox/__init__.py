"""The sandbox: judges untrusted programs in warm, isolated, tamper-evident trials. Usable without the rest.

with Sandbox(Policy(timeout_s=10)) as sandbox:
    for verdict in sandbox.run(jobs):
        ...
"""

from .pool import Sandbox
from .probe import probe
from .types import Job, Level, Policy, SandboxError, Verdict, VerdictKind

__all__ = ["Job", "Level", "Policy", "Sandbox", "SandboxError", "Verdict", "VerdictKind", "probe"]
