"""Names of flow runs that say what runs: "verify Leetcode and Docs, 3 to 10 attempts"."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath

from prefect.runtime import flow_run

from tasks.subsets import SUBSETS


def named(template: str) -> Callable[[], str]:
    """For `flow_run_name`: the run's parameters put into `template`, lists in words; no subsets are all, and of files
    the last part."""

    def name() -> str:
        return template.format_map({key: _words(key, value) for key, value in flow_run.parameters.items()})

    return name


def _words(key: str, value: object) -> object:
    if not isinstance(value, list):
        return value
    if key == "subsets" and len(set(value)) in (0, len(SUBSETS)):
        return f"all {len(SUBSETS)} subsets"
    names = [PurePath(name).name if key == "files" else str(name) for name in value]
    if len(names) > 4:
        return f"{len(names)} {key}"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names) or f"no {key}"
