"""Which code runs."""

from __future__ import annotations

import subprocess
from importlib import metadata

from tasks.settings import REPOSITORY


def code_version() -> str:
    """The package's version, with the commit where the code runs from a checkout."""
    version = metadata.version("kodcode")
    described = (
        subprocess.run(
            ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            check=False,
        )
        if (REPOSITORY / ".git").exists()
        else None
    )
    return f"{version}+{described.stdout.strip()}" if described and described.returncode == 0 else version
